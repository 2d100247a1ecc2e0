package rest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"

	"berth/dnsd/zone"
	"berth/orchestrator/api"
)

type recordRow struct {
	Name  string `json:"name"`
	Host  string `json:"host"`
	Rtype string `json:"rtype"`
}

type taskRow struct {
	Name    string      `json:"name"`
	ID      string      `json:"id"`
	Records []recordRow `json:"records"`
}

type frameworkRow struct {
	Name  string    `json:"name"`
	Tasks []taskRow `json:"tasks"`
}

func row(name string, typ uint16, r *zone.Record) recordRow {
	host := r.Target + "."
	switch typ {
	case zone.TypeA, zone.TypeAAAA:
		host = r.Addr.String()
	case zone.TypeSRV:
		host = fmt.Sprintf("%s.:%d", r.Target, r.Port)
	}
	return recordRow{name + ".", host, zone.TypeName(typ)}
}

// enumerate lists the records by task. One that two tasks share is listed under the first.
func (h *handler) enumerate(w http.ResponseWriter, _ *http.Request, z *zone.Zone) {
	framework := frameworkRow{Name: h.o.Zone.Framework, Tasks: []taskRow{}}
	lister, seen := zone.NewLister(h.o.Zone), map[recordRow]bool{}
	for _, a := range h.o.Daemon.Apps() {
		for i := range a.Tasks {
			if t := h.task(z, lister, seen, a, i); len(t.Records) > 0 {
				framework.Tasks = append(framework.Tasks, t)
			}
		}
	}
	writeJSON(w, 200, map[string]any{"frameworks": []frameworkRow{framework}})
}

func (h *handler) task(z *zone.Zone, l *zone.Lister, seen map[recordRow]bool, a *api.AppInfo, i int) taskRow {
	t := taskRow{Name: a.ID, ID: a.Tasks[i].ID, Records: []recordRow{}}
	for _, r := range l.Task(a, i) {
		rr := row(r.Name, r.Type, &r.Data)
		if r.Type == zone.TypePTR || seen[rr] || !served(z, &r) {
			continue
		}
		seen[rr] = true
		t.Records = append(t.Records, rr)
	}
	return t
}

func served(z *zone.Zone, r *zone.NamedRecord) bool {
	for _, have := range recordsOf(z, r.Name, r.Type) {
		if have == r.Data {
			return true
		}
	}
	return false
}

// axfr lists the main zone as Mesos-DNS does.
func (h *handler) axfr(w http.ResponseWriter, _ *http.Request, z *zone.Zone) {
	out := map[string]map[string][]string{"As": {}, "AAAAs": {}, "SRVs": {}}
	for _, n := range z.Sorted(z.Domain()) {
		for i := range n.Sets {
			set := &n.Sets[i]
			list, ok := out[zone.TypeName(set.Type)+"s"]
			if !ok {
				continue
			}
			for j := range set.Records {
				list[n.Name+"."] = append(list[n.Name+"."], row("", set.Type, &set.Records[j]).Host)
			}
		}
	}
	writeJSON(w, 200, map[string]any{
		"TTL": h.o.Zone.TTL, "Serial": z.Serial(), "RefreshSeconds": h.o.RefreshSec, "Mname": h.o.Zone.SOA.Mname + ".",
		"Rname": h.o.Zone.SOA.Rname + ".", "Domain": z.Domain(), "Records": out,
	})
}

// records lists everything, row by row, so that the whole is never in memory.
func (h *handler) records(w http.ResponseWriter, _ *http.Request, z *zone.Zone) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	b := bufio.NewWriter(w)
	sep := "["
	for n := range z.Nodes {
		for i := range n.Sets {
			set := &n.Sets[i]
			for j := range set.Records {
				text, err := json.Marshal(row(n.Name, set.Type, &set.Records[j]))
				if err != nil {
					return
				}
				fmt.Fprintf(b, "%s%s", sep, text)
				sep = ",\n"
			}
		}
	}
	if sep == "[" {
		fmt.Fprint(b, sep)
	}
	fmt.Fprintln(b, "]")
	_ = b.Flush() // the client is gone
}
