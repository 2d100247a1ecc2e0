package httpapi

import (
	"bytes"
	"net/http"
	"slices"

	"berth/orchestrator/api"
)

// listTasks is GET /v2/tasks: the tasks of all apps, each with its app's service ports; those too that are ending because
// their app was deleted. They carry no traffic, so the text form leaves them out as it does all that do not run.
func (s *Server) listTasks(w http.ResponseWriter, c *call) error {
	apps := s.backend.Apps()
	if wantsText(c.Header.Get("Accept")) {
		return s.replyTaskText(w, c, apps)
	}
	keep := statusFilter(slices.Concat(c.query["status"], c.query["status[]"]))
	var tasks []api.Task
	for _, a := range slices.Concat(apps, s.backend.Leaving()) {
		ports := a.ServicePorts()
		for _, t := range a.Tasks {
			if keep(t.State) {
				t.ServicePorts = ports
				tasks = append(tasks, t)
			}
		}
	}
	return s.replyTasks(w, c, tasks)
}

// statusFilter keeps all states when none is asked for; a word that is not a status matches nothing.
func statusFilter(words []string) func(api.TaskState) bool {
	if len(words) == 0 {
		return func(api.TaskState) bool { return true }
	}
	running, staging := slices.Contains(words, "running"), slices.Contains(words, "staging")
	return func(st api.TaskState) bool {
		return running && st == api.TaskRunning || staging && st == api.TaskStaging
	}
}

// listAppTasks is GET /v2/apps/{id}/tasks.
func (s *Server) listAppTasks(w http.ResponseWriter, c *call) error {
	s.stampIndex(w)
	a, err := s.app(c.id)
	if err != nil {
		return err
	}
	if wantsText(c.Header.Get("Accept")) {
		return s.replyTaskText(w, c, []*api.AppInfo{a})
	}
	return s.replyTasks(w, c, a.Tasks)
}

// listAppTasksBelow is GET /v2/apps/{group}/*/tasks.
func (s *Server) listAppTasksBelow(w http.ResponseWriter, c *call) error {
	s.stampIndex(w)
	var tasks []api.Task
	for _, a := range s.backend.Apps() {
		if api.Inside(a.ID, c.id) {
			tasks = append(tasks, a.Tasks...)
		}
	}
	return s.replyTasks(w, c, tasks)
}

func (s *Server) replyTasks(w http.ResponseWriter, c *call, tasks []api.Task) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer release(buf)
	buf.WriteString(`{"tasks":`)
	writeTasks(buf, tasks)
	buf.WriteByte('}')
	send(w, c.Request, http.StatusOK, jsonType, buf.Bytes())
	return nil
}
