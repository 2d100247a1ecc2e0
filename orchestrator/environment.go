package orchestrator

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
)

// longLabel is the length from which a label name or value stays out of a task's environment.
const longLabel = 512

// Environment returns what a task sees (marathon-api.md section 6), sorted NAME=value texts. The app's own variables win.
// MESOS_SANDBOX is set where it is known here, inside Docker; for plain processes the driver adds it. prefix stands
// before HOST and the port variables only.
func Environment(s driver.Spec, prefix string) []string {
	env := map[string]string{prefix + "HOST": s.Host}
	addPorts(env, prefix, s)
	def := s.App
	env["MESOS_TASK_ID"] = s.TaskID
	env["MARATHON_APP_ID"] = def.ID
	env["MARATHON_APP_VERSION"] = def.Version.String()
	if image := def.Image(); image != "" {
		env["MARATHON_APP_DOCKER_IMAGE"] = image
		env["MESOS_SANDBOX"] = "/mnt/mesos/sandbox"
	}
	env["MARATHON_APP_RESOURCE_CPUS"] = decimal(def.CPUs)
	env["MARATHON_APP_RESOURCE_MEM"] = decimal(def.Mem)
	env["MARATHON_APP_RESOURCE_DISK"] = decimal(def.Disk)
	env["MARATHON_APP_RESOURCE_GPUS"] = decimal(float64(def.GPUs))
	addLabels(env, def.Labels)
	maps.Copy(env, def.Env)

	out := make([]string, 0, len(env))
	for name, value := range env {
		out = append(out, name+"="+value)
	}
	slices.Sort(out)
	return out
}

// decimal writes f with a decimal point: 1.0, 0.25.
func decimal(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// taskPort is one port of a task as its environment shows it.
type taskPort struct {
	name  string
	asked int // the container port, or in host mode the requested port; 0 if none was named
	value int // the host port, or the container port where there is no host port
}

func addPorts(env map[string]string, prefix string, s driver.Spec) {
	ports := taskPorts(s.App, s.Ports)
	values := make([]string, len(ports))
	for i, p := range ports {
		value := strconv.Itoa(p.value)
		values[i] = value
		env[prefix+"PORT"+strconv.Itoa(i)] = value
		asked := p.asked
		if asked == 0 {
			asked = p.value
		}
		env[prefix+"PORT_"+strconv.Itoa(asked)] = value
		if p.name != "" {
			name := strings.ToUpper(p.name)
			env[prefix+"PORT_"+name] = value
			env[prefix+"PORT_"+strings.ReplaceAll(name, "-", "_")] = value
		}
	}
	if len(ports) > 0 {
		env[prefix+"PORT"] = values[0]
		env[prefix+"PORTS"] = strings.Join(values, ",")
	}
}

func taskPorts(def *api.App, chosen []int) []taskPort {
	next := func() int {
		if len(chosen) == 0 {
			return 0
		}
		p := chosen[0]
		chosen = chosen[1:]
		return p
	}
	var out []taskPort
	if def.Mode() == api.NetworkHost {
		for _, p := range def.PortDefinitions {
			out = append(out, taskPort{p.Name, p.Port, next()})
		}
		return out
	}
	for _, m := range def.Mappings() {
		p := taskPort{name: m.Name, asked: m.ContainerPort, value: m.ContainerPort}
		if m.HostPort != nil {
			p.value = next()
		}
		out = append(out, p)
	}
	return out
}

func addLabels(env map[string]string, labels map[string]string) {
	var names []string
	for name, value := range labels {
		if len(name) >= longLabel || len(value) >= longLabel {
			continue
		}
		clean := sanitize(name)
		names = append(names, clean)
		env["MARATHON_APP_LABEL_"+clean] = value
	}
	slices.Sort(names)
	env["MARATHON_APP_LABELS"] = strings.Join(slices.Compact(names), " ")
}

// sanitize makes a label name one for a variable: upper case, and one underscore for each run of other characters.
func sanitize(name string) string {
	var b strings.Builder
	gap := false
	for _, c := range strings.ToUpper(name) {
		ok := c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
		switch {
		case ok:
			b.WriteRune(c)
		case !gap:
			b.WriteByte('_')
		}
		gap = !ok
	}
	return b.String()
}
