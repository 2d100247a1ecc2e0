package httpapi

import (
	"net"
	"net/http"
	"strconv"
	"strings"

	"berth/orchestrator/api"
)

// replyTaskText sends the form of the task list that scripts cut with awk.
func (s *Server) replyTaskText(w http.ResponseWriter, c *call, apps []*api.AppInfo) error {
	var b strings.Builder
	for _, a := range apps {
		writeTaskLines(&b, a)
	}
	send(w, c.Request, http.StatusOK, "text/plain; charset=utf-8", []byte(b.String()))
	return nil
}

// writeTaskLines writes a line per service port, every cell followed by a tab:
//
//	group_web⇥10000⇥host1:31000⇥host2:31007⇥
//
// and for an app without ports its name, a blank, and the hosts (marathon-api.md section 8.2).
func writeTaskLines(b *strings.Builder, a *api.AppInfo) {
	name := strings.ReplaceAll(strings.TrimPrefix(a.ID, "/"), "/", "_")
	ports := a.ServicePorts()
	if len(ports) == 0 {
		b.WriteString(name + "\t \t")
		for i := range a.Tasks {
			if a.Tasks[i].State == api.TaskRunning {
				b.WriteString(a.Tasks[i].Host + "\t")
			}
		}
		b.WriteByte('\n')
	}
	index := hostPortIndex(&a.App)
	for i, port := range ports {
		b.WriteString(name + "\t" + strconv.Itoa(port) + "\t")
		for j := range a.Tasks {
			t := &a.Tasks[j]
			if n := index[i]; t.State == api.TaskRunning && n >= 0 && n < len(t.Ports) {
				b.WriteString(net.JoinHostPort(t.Host, strconv.Itoa(t.Ports[n])) + "\t")
			}
		}
		b.WriteByte('\n')
	}
}

// hostPortIndex says for each port of a where its host port stands in a task's list; -1 if it has none.
func hostPortIndex(a *api.App) []int {
	var out []int
	if a.Mode() == api.NetworkHost {
		for i := range a.PortDefinitions {
			out = append(out, i)
		}
		return out
	}
	n := 0
	for _, m := range a.Mappings() {
		if m.HostPort == nil {
			out = append(out, -1)
			continue
		}
		out = append(out, n)
		n++
	}
	return out
}
