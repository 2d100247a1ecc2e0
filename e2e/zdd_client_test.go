//go:build e2e

package e2e

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// zdd is a client of the protocol by which marathon-lb's users deploy blue and green apps: the new colour beside the old
// one, then, step by step, more of the new and less of the old, each step waiting for what the balancer's statistics say.
type zdd struct {
	*cluster
	group   string
	initial int           // instances of the new colour at first
	delay   time.Duration // between steps
	maxWait time.Duration // for draining, in one step
	forced  int           // kills because a wait ended, not because sessions had
}

// member is an app of the group, as far as the protocol reads it.
type member struct {
	ID          string
	Instances   int
	Labels      map[string]string
	Ports       []int                // of a Marathon that has the old field
	Definitions []struct{ Port int } `json:"portDefinitions"`
	Tasks       []taskView
	Deployments []any
}

func (m member) firstPort() int {
	if len(m.Ports) > 0 {
		return m.Ports[0]
	}
	return m.Definitions[0].Port
}

func (z *zdd) members() []member {
	z.t.Helper()
	var doc struct{ Apps []member }
	if err := json.Unmarshal(z.must("GET", "/v2/apps", nil), &doc); err != nil {
		z.t.Fatal(err)
	}
	return slices.DeleteFunc(doc.Apps, func(m member) bool { return m.Labels["HAPROXY_DEPLOYMENT_GROUP"] != z.group })
}

func (z *zdd) member(id string) member {
	z.t.Helper()
	var doc struct{ App member }
	if err := json.Unmarshal(z.must("GET", "/v2/apps"+id, nil), &doc); err != nil {
		z.t.Fatal(err)
	}
	return doc.App
}

// deploy brings a definition in, in the colour whose turn it is, and returns the id of the new app when the old one is gone.
func (z *zdd) deploy(def app) string {
	z.t.Helper()
	old := z.members()
	if len(old) > 1 {
		z.t.Fatalf("a deployment is in progress: %d apps of the group", len(old))
	}
	labels := maps.Clone(def["labels"].(map[string]string))
	ports := slices.Clone(def["portDefinitions"].([]app))
	port := ports[0]["port"].(int)
	labels["HAPROXY_APP_ID"] = def["id"].(string)
	labels["HAPROXY_0_PORT"] = itoa(port)
	colour, target, count := "blue", def["instances"].(int), def["instances"].(int)
	labels["HAPROXY_DEPLOYMENT_NEW_INSTANCES"] = "0"
	if len(old) == 1 {
		if old[0].Labels["HAPROXY_DEPLOYMENT_COLOUR"] == "blue" {
			colour = "green"
		}
		var alt int
		fmt.Sscan(labels["HAPROXY_DEPLOYMENT_ALT_PORT"], &alt)
		if port = alt; old[0].firstPort() == alt {
			fmt.Sscan(old[0].Labels["HAPROXY_0_PORT"], &port)
		}
		target = old[0].Instances
		count = min(z.initial, target)
	}
	labels["HAPROXY_DEPLOYMENT_TARGET_INSTANCES"] = itoa(target)
	labels["HAPROXY_DEPLOYMENT_COLOUR"] = colour
	labels["HAPROXY_DEPLOYMENT_STARTED_AT"] = time.Now().Format("2006-01-02T15:04:05.000000")
	next := maps.Clone(def)
	next["id"] = def["id"].(string) + "-" + colour
	next["labels"], next["instances"] = labels, count
	first := maps.Clone(ports[0])
	first["port"] = port
	ports[0] = first
	next["portDefinitions"] = ports
	z.must("POST", "/v2/apps", next)
	if len(old) == 1 {
		z.swap(old[0].ID, next["id"].(string), target)
	}
	return next["id"].(string)
}

// swap takes steps until the old app has no task left that serves.
func (z *zdd) swap(oldID, newID string, target int) {
	z.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for time.Now().Before(deadline) {
		old, now := z.member(oldID), z.member(newID)
		if len(now.Deployments) > 0 {
			time.Sleep(z.delay)
			continue
		}
		kill := z.drained(old, now, target)
		if now.Instances == target && len(kill) == old.Instances {
			z.must("DELETE", "/v2/apps"+oldID, nil)
			return
		}
		if len(kill) > 0 {
			z.must("POST", "/v2/tasks/delete?scale=true", app{"ids": kill})
		}
		if now.Instances < target {
			n := now.Instances + (now.Instances+1)/2
			if n >= old.Instances {
				n = target
			}
			z.must("PUT", "/v2/apps"+newID, app{"instances": n})
		}
	}
	z.t.Fatalf("the swap from %s to %s does not end: %+v %+v", oldID, newID, z.member(oldID), z.member(newID))
}

// drained waits until the balancer has settled and names the old tasks that nobody uses any more. When the wait ends, those
// that get no new requests have to do.
func (z *zdd) drained(old, now member, target int) []string {
	z.t.Helper()
	var maint []string
	for deadline := time.Now().Add(z.maxWait); time.Now().Before(deadline); {
		time.Sleep(z.delay)
		code, body, err := get(z.cluster.stats("/_haproxy_getpids"), "")
		if err != nil || code != 200 || len(strings.Fields(body)) > 2 {
			continue // an old worker is still at it
		}
		servers, err := z.servers(z.group + "_" + now.Labels["HAPROXY_0_PORT"])
		if err != nil {
			continue
		}
		up, out := 0, map[string]bool{}
		maintained := map[string]bool{}
		for _, s := range servers {
			switch {
			case s["status"] == "UP":
				up++
			case s["status"] == "MAINT":
				maintained[s["svname"]] = true
				out[s["svname"]] = s["scur"] == "0" && (s["qcur"] == "0" || s["qcur"] == "")
			}
		}
		maint = namesOf(old, maintained)
		if len(servers) != now.Instances+old.Instances || up < target || len(out) == 0 {
			continue
		}
		if done := namesOf(old, out); len(done) > 0 {
			return done
		}
	}
	z.forced += len(maint)
	return maint
}

// namesOf lists the tasks whose server, named as marathon-lb names it, is in the set.
func namesOf(m member, set map[string]bool) []string {
	var ids []string
	for _, t := range m.Tasks {
		if len(t.Ports) > 0 && set[strings.ReplaceAll(t.Host, ".", "_")+"_"+itoa(t.Ports[0])] {
			ids = append(ids, t.ID)
		}
	}
	return ids
}

// servers reads the statistics as the original does: a header after "# ", and a comma at the end of each line.
func (z *zdd) servers(proxy string) ([]map[string]string, error) {
	code, body, err := get(z.cluster.stats("/haproxy?stats;csv"), "")
	if err != nil || code != 200 {
		return nil, fmt.Errorf("statistics: %d, %w", code, err)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "# "))).ReadAll()
	if err != nil {
		return nil, err
	}
	var list []map[string]string
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, name := range rows[0] {
			m[name] = row[i]
		}
		if m["pxname"] == proxy && m["svname"] != "FRONTEND" && m["svname"] != "BACKEND" {
			list = append(list, m)
		}
	}
	return list, nil
}
