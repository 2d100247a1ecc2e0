package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"berth/orchestrator/api"
)

// KillOptions accompany a kill of tasks.
type KillOptions struct {
	Force bool // override a lock
	Scale bool // lower the instance counts by the number killed; otherwise replacements start
}

// Tasks lists the tasks of an app, or of all apps with an empty id.
func (c *Client) Tasks(ctx context.Context, id string) ([]api.Task, error) {
	path := "/v2/tasks"
	if id != "" {
		path = appPath(id) + "/tasks"
	}
	var v struct {
		Tasks []api.Task `json:"tasks"`
	}
	_, err := c.json(ctx, request{method: http.MethodGet, path: path}, &v)
	return v.Tasks, err
}

// KillTasks ends tasks of any apps; well-formed ids that do not exist are skipped. It returns the tasks killed, or with
// Scale the deployment.
func (c *Client) KillTasks(ctx context.Context, ids []string, opt KillOptions) ([]api.Task, Result, error) {
	doc, err := json.Marshal(map[string][]string{"ids": ids})
	if err != nil {
		return nil, Result{}, err
	}
	q := WriteOptions{Force: opt.Force}.query()
	if opt.Scale {
		q.Set("scale", "true")
	}
	const path = "/v2/tasks/delete"
	var raw json.RawMessage
	if _, err := c.text(ctx, request{method: http.MethodPost, path: path, query: q, body: doc}, &raw); err != nil {
		return nil, Result{}, err
	}
	var v struct {
		api.DeploymentResult
		Tasks []api.Task `json:"tasks"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, Result{}, fmt.Errorf("POST %s: decode the answer: %w", path, err)
	}
	return v.Tasks, Result{DeploymentResult: v.DeploymentResult}, nil
}
