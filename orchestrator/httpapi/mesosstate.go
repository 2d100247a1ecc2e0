package httpapi

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"berth/orchestrator/api"
)

// The document that a Mesos master serves at /master/state, as far as the original Mesos-DNS reads it (marathon-api.md
// section 13): the agents that have tasks, and one framework named
// marathon with its tasks.
type mesosState struct {
	Leader     string           `json:"leader"` // master@host:port, which Mesos-DNS asks next
	Slaves     []mesosSlave     `json:"slaves"`
	Frameworks []mesosFramework `json:"frameworks"`
}

type mesosSlave struct {
	ID       string `json:"id"`
	Hostname string `json:"hostname"`
	PID      string `json:"pid"` // slave(1)@address:port; one that does not parse spoils the whole document
}

type mesosFramework struct {
	ID       string      `json:"id"`
	Name     string      `json:"name"`
	Hostname string      `json:"hostname"`
	PID      string      `json:"pid"`
	Active   bool        `json:"active"`
	Tasks    []mesosTask `json:"tasks"`
}

type mesosTask struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"` // the app's path reversed and joined by dots: db.prod
	FrameworkID string         `json:"framework_id"`
	SlaveID     string         `json:"slave_id"`
	State       api.TaskState  `json:"state"`
	Resources   mesosResources `json:"resources"`
	Labels      []mesosLabel   `json:"labels"`
	Statuses    []mesosStatus  `json:"statuses"`
	Discovery   mesosDiscovery `json:"discovery"`
}

type mesosResources struct {
	CPUs  float64 `json:"cpus"`
	Mem   float64 `json:"mem"`
	Disk  float64 `json:"disk"`
	Ports string  `json:"ports,omitempty"` // [31000-31000, 31005-31005]
}

type mesosLabel struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type mesosStatus struct {
	State     api.TaskState  `json:"state"`
	Timestamp float64        `json:"timestamp"` // seconds
	Container mesosContainer `json:"container_status"`
}

type mesosContainer struct {
	Networks []mesosNetwork `json:"network_infos"`
}

type mesosNetwork struct {
	Addresses []mesosAddress `json:"ip_addresses"`
}

type mesosAddress struct {
	Address string `json:"ip_address"`
}

type mesosDiscovery struct {
	Name       string     `json:"name"`
	Visibility string     `json:"visibility"`
	Ports      mesosPorts `json:"ports"`
}

type mesosPorts struct {
	Ports []mesosPort `json:"ports"`
}

type mesosPort struct {
	Number   int         `json:"number"`
	Protocol string      `json:"protocol"`
	Name     string      `json:"name,omitempty"`
	Labels   mesosLabels `json:"labels"`
}

type mesosLabels struct {
	Labels []mesosLabel `json:"labels"`
}

// masterState is GET /master/state.
func (s *Server) masterState(w http.ResponseWriter, c *call) error {
	s.stampIndex(w)
	host, _ := s.hostPort()
	state := mesosState{Leader: "master@" + s.opt.Advertise}
	f := mesosFramework{
		ID: "berth", Name: "marathon", Hostname: host, PID: "scheduler(1)@" + s.opt.Advertise, Active: true, Tasks: []mesosTask{},
	}
	for _, a := range s.backend.Apps() {
		for i := range a.Tasks {
			f.Tasks = append(f.Tasks, mesosTaskOf(&a.App, &a.Tasks[i], f.ID))
			state.Slaves = append(state.Slaves, mesosSlaveOf(&a.Tasks[i]))
		}
	}
	slices.SortStableFunc(state.Slaves, func(a, b mesosSlave) int { return cmp.Compare(a.ID, b.ID) })
	state.Slaves = list(slices.CompactFunc(state.Slaves, func(a, b mesosSlave) bool { return a.ID == b.ID }))
	state.Frameworks = []mesosFramework{f}
	return s.reply(w, c, http.StatusOK, state)
}

// mesosSlaveOf is the agent that a task runs on; others have no records that anybody asks for.
func mesosSlaveOf(t *api.Task) mesosSlave {
	return mesosSlave{ID: t.SlaveID, Hostname: t.Host, PID: "slave(1)@" + net.JoinHostPort(t.Host, "5051")}
}

func mesosTaskOf(a *api.App, t *api.Task, framework string) mesosTask {
	status := mesosStatus{State: t.State, Timestamp: float64(max(t.StartedAt, t.StagedAt)) / 1000}
	network := mesosNetwork{Addresses: []mesosAddress{}}
	for _, ip := range t.IPAddresses {
		network.Addresses = append(network.Addresses, mesosAddress{ip.IPAddress})
	}
	status.Container.Networks = []mesosNetwork{network}
	return mesosTask{
		ID: t.ID, Name: reversed(a.ID), FrameworkID: framework, SlaveID: t.SlaveID, State: t.State,
		Resources: mesosResources{a.CPUs, a.Mem, a.Disk, mesosRanges(t.Ports)}, Labels: mesosLabelsOf(a.Labels),
		Statuses:  []mesosStatus{status},
		Discovery: mesosDiscovery{reversed(a.ID), "FRAMEWORK", mesosPorts{mesosPortsOf(a, t)}},
	}
}

// reversed makes db.prod of /prod/db.
func reversed(id string) string {
	parts := strings.Split(strings.Trim(id, "/"), "/")
	slices.Reverse(parts)
	return strings.Join(parts, ".")
}

func mesosRanges(ports []int) string {
	if len(ports) == 0 {
		return ""
	}
	out := make([]string, len(ports))
	for i, p := range ports {
		out[i] = strconv.Itoa(p) + "-" + strconv.Itoa(p)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func mesosLabelsOf(labels map[string]string) []mesosLabel {
	out := make([]mesosLabel, 0, len(labels))
	for k, v := range labels {
		out = append(out, mesosLabel{k, v})
	}
	slices.SortFunc(out, func(a, b mesosLabel) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

// mesosPortsOf lists what a task's ports are: the host port where there is one, else the container's (marathon-api.md
// section 5.5). A port of two protocols is two.
func mesosPortsOf(a *api.App, t *api.Task) []mesosPort {
	out := []mesosPort{}
	add := func(i, fixed int, protocol, name string, labels map[string]string) {
		number, scope := fixed, "container"
		if i >= 0 && i < len(t.Ports) {
			number, scope = t.Ports[i], "host"
		}
		l := append(mesosLabelsOf(labels), mesosLabel{"network-scope", scope})
		for p := range strings.SplitSeq(protocol, ",") {
			out = append(out, mesosPort{number, p, name, mesosLabels{l}})
		}
	}
	index := hostPortIndex(a)
	if a.Mode() == api.NetworkHost {
		for i, d := range a.PortDefinitions {
			add(index[i], d.Port, d.Protocol, d.Name, d.Labels)
		}
		return out
	}
	for i, m := range a.Mappings() {
		add(index[i], m.ContainerPort, m.Protocol, m.Name, m.Labels)
	}
	return out
}
