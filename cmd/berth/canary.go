package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"berth/orchestrator/api"
)

// canarySuffix makes the id of an app's canary.
const canarySuffix = "-canary"

func canaryID(app string) string { return app + canarySuffix }

// share is part of an app's traffic in percent, 0 to 100.
type share int

// parseShare reads "10%" or "10".
func parseShare(s string) (share, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(s), "%"))
	if err != nil || n < 0 || n > 100 {
		return 0, fmt.Errorf("%q: expected a share from 0%% to 100%%", s)
	}
	return share(n), nil
}

// parseShares reads a list of steps, each larger than the one before.
func parseShares(s string) ([]share, error) {
	var list []share
	for part := range strings.SplitSeq(s, ",") {
		n, err := parseShare(part)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 && n <= list[len(list)-1] {
			return nil, fmt.Errorf("%q: expected each share to be larger than the one before", s)
		}
		list = append(list, n)
	}
	return list, nil
}

// instances is how many of n tasks come closest to the share from above: at least one.
func (s share) instances(n int) int { return max(1, int(math.Ceil(float64(n)*float64(s)/100))) }

func (s share) String() string { return strconv.Itoa(int(s)) + "%" }

// object is a JSON object whose numbers are kept as written.
type object = map[string]any

func parseObject(data []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var o object
	return o, d.Decode(&o)
}

// canaryOf makes the canary of an app from the definition that the app is to get: the same under another id, with a share
// of the app's traffic and service ports and VIPs of nobody. It carries the definition along, for its promotion.
func canaryOf(app string, definition []byte, s share, instances int) ([]byte, error) {
	o, err := parseObject(definition)
	if err != nil {
		return nil, err
	}
	if err := releasePorts(o); err != nil {
		return nil, err
	}
	labels, ok := o["labels"].(object)
	if !ok {
		labels = object{}
	}
	labels[api.LabelCanaryOf] = app
	labels[api.LabelCanaryWeight] = strconv.Itoa(int(s))
	labels[api.LabelCanaryDefinition] = string(definition)
	o["id"], o["instances"], o["labels"] = canaryID(app), instances, labels
	return json.Marshal(o)
}

// releasePorts takes the service ports and VIPs out of a definition: they are the app's. With requirePorts the service
// ports are host ports at the same time, which the app's own tasks hold.
func releasePorts(o object) error {
	definitions := list(o["portDefinitions"])
	if o["requirePorts"] == true {
		return fmt.Errorf("an app with requirePorts cannot have a canary: both would need the same host ports")
	}
	if ports, ok := o["ports"].([]any); ok {
		for i := range ports {
			ports[i] = 0
		}
	}
	for _, d := range definitions {
		d["port"] = 0
		withoutVIPs(d)
	}
	container, _ := o["container"].(object)
	docker, _ := container["docker"].(object)
	for _, m := range append(list(container["portMappings"]), list(docker["portMappings"])...) {
		m["servicePort"] = 0
		withoutVIPs(m)
	}
	return nil
}

// list returns the objects of a JSON list.
func list(v any) []object {
	var out []object
	items, _ := v.([]any)
	for _, item := range items {
		if o, ok := item.(object); ok {
			out = append(out, o)
		}
	}
	return out
}

func withoutVIPs(port object) {
	labels, _ := port["labels"].(object)
	for key := range labels {
		if strings.HasPrefix(strings.ToUpper(key), api.LabelVIPPrefix) {
			delete(labels, key)
		}
	}
}

// withInstances adds the number of instances that an app has to a definition that names none.
func withInstances(definition []byte, instances int) ([]byte, error) {
	o, err := parseObject(definition)
	if err != nil {
		return nil, err
	}
	if o["instances"] != nil {
		return definition, nil
	}
	o["instances"] = instances
	return json.Marshal(o)
}

// idOf reads the id of a definition.
func idOf(definition []byte) (string, error) {
	o, err := parseObject(definition)
	if err != nil {
		return "", err
	}
	id, _ := o["id"].(string)
	if id = strings.Trim(id, "/"); id == "" {
		return "", fmt.Errorf("expected a definition with an id")
	}
	return "/" + id, nil
}
