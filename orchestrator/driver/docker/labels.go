package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
)

// Labels by which containers are found again. MESOS_TASK_ID is what Mesos' users look for.
const (
	labelMesos   = "MESOS_TASK_ID"
	labelCluster = "berth.cluster"
	labelApp     = "berth.app"
	labelTask    = "berth.task"
	labelVersion = "berth.version"
	labelPorts   = "berth.ports"
)

func labels(cluster string, spec driver.Spec) map[string]string {
	ports := make([]string, len(spec.Ports))
	for i, p := range spec.Ports {
		ports[i] = strconv.Itoa(p)
	}
	return map[string]string{
		labelMesos: spec.TaskID, labelCluster: cluster, labelApp: spec.App.ID, labelTask: spec.TaskID,
		labelVersion: spec.App.Version.String(), labelPorts: strings.Join(ports, ","),
	}
}

// identity reads labels back; labels somebody tampered with give zero values.
func identity(l map[string]string) driver.Status {
	s := driver.Status{
		TaskID: l[labelTask], AppID: l[labelApp], Kind: driver.KindDocker, Addresses: []api.Address{},
	}
	if v, err := api.ParseTimestamp(l[labelVersion]); err == nil {
		s.Version = v
	}
	for _, f := range strings.Split(l[labelPorts], ",") {
		if p, err := strconv.Atoi(f); err == nil {
			s.Ports = append(s.Ports, p)
		}
	}
	return s
}

var notInName = regexp.MustCompile(`[^a-z0-9.-]+`)

// containerName is unique per cluster and task, and so the engine itself refuses a second start. In its middle stands
// the app's last name, as the task id shows it (<path>.<uuid>, the path joined by "_").
func containerName(cluster, taskID string) string {
	sum := sha256.Sum256([]byte(cluster + "\x00" + taskID))
	app := taskID[:max(0, strings.LastIndexByte(taskID, '.'))]
	app = app[strings.LastIndexByte(app, '_')+1:]
	app = strings.Trim(notInName.ReplaceAllString(app, ""), ".-")
	return "berth-" + app[:min(len(app), 30)] + "-" + hex.EncodeToString(sum[:8])
}
