package httpapi

import (
	"fmt"
	"net/http"
	"strings"

	"berth/orchestrator/api"
)

// killOptions reads the parameters of all kills. wipe is about persistent volumes, which do not exist here; only its
// contradiction with scale matters.
func (c *call) killOptions() (KillOptions, error) {
	opt := KillOptions{WriteOptions: c.writeOptions(false), Scale: c.flag("scale", false)}
	if opt.Scale && c.flag("wipe", false) {
		return opt, &api.Error{Code: api.CodeBadRequest, Message: "scale and wipe exclude each other"}
	}
	return opt, nil
}

// killAppTasks is DELETE /v2/apps/{id}/tasks, for all tasks or those on one host.
func (s *Server) killAppTasks(w http.ResponseWriter, c *call) error {
	opt, err := c.killOptions()
	if err != nil {
		return err
	}
	a, err := s.app(c.id)
	if err != nil {
		return err
	}
	host := c.query.Get("host")
	var ids []string
	for _, t := range a.Tasks {
		if host == "" || host == "*" || host == t.Host {
			ids = append(ids, t.ID)
		}
	}
	return s.kill(w, c, ids, opt)
}

// killAppTask is DELETE /v2/apps/{id}/tasks/{task}.
func (s *Server) killAppTask(w http.ResponseWriter, c *call) error {
	opt, err := c.killOptions()
	if err != nil {
		return err
	}
	a, err := s.app(c.id)
	if err != nil {
		return err
	}
	for _, t := range a.Tasks {
		if t.ID == c.arg {
			return s.killOne(w, c, opt)
		}
	}
	return api.NotFound("Task", c.arg)
}

func (s *Server) killOne(w http.ResponseWriter, c *call, opt KillOptions) error {
	if opt.Scale {
		return s.kill(w, c, []string{c.arg}, opt)
	}
	killed, _, err := s.backend.Kill(c.Context(), []string{c.arg}, opt)
	if err != nil {
		return err
	}
	if len(killed) == 0 { // it ended in between
		return api.NotFound("Task", c.arg)
	}
	return s.reply(w, c, http.StatusOK, struct {
		Task api.Task `json:"task"`
	}{filledTask(killed[0])})
}

// maxKill bounds the tasks of one kill.
const maxKill = 10_000

// deleteTasks is POST /v2/tasks/delete. Unknown ids are skipped: the task may have ended since the client looked.
func (s *Server) deleteTasks(w http.ResponseWriter, c *call) error {
	opt, err := c.killOptions()
	if err != nil {
		return err
	}
	data, err := c.body(w)
	if err != nil {
		return err
	}
	obj, err := decodeObject(data)
	if err != nil {
		return err
	}
	var ids []string
	if err := field(obj, "ids", "a list of task ids", &ids); err != nil {
		return err
	}
	if ids == nil {
		return invalid("/ids", "is missing; expected a list of task ids")
	}
	if ids = unique(ids); len(ids) > maxKill {
		return invalid("/ids", fmt.Sprintf("has %d entries; at most %d are allowed", len(ids), maxKill))
	}
	for _, id := range ids {
		if !wellFormed(id) {
			return &api.Error{
				Code:    api.CodeBadRequest,
				Message: fmt.Sprintf("task id %q is malformed; expected the form app_path.uuid", id),
			}
		}
	}
	return s.kill(w, c, ids, opt)
}

// wellFormed reports whether the text can be a task id: the app's path, a dot, and something unique.
func wellFormed(id string) bool {
	dot := strings.LastIndexByte(id, '.')
	return dot > 0 && dot < len(id)-1
}

// kill answers with the tasks killed or, when the apps are scaled down with them, with the deployment.
func (s *Server) kill(w http.ResponseWriter, c *call, ids []string, opt KillOptions) error {
	killed, res, err := s.backend.Kill(c.Context(), ids, opt)
	if err != nil {
		return err
	}
	if opt.Scale && !opt.DryRun {
		announce(w, res.DeploymentID, api.Notes{}, nil)
		return s.reply(w, c, http.StatusOK, res)
	}
	return s.replyTasks(w, c, killed)
}
