package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"berth/orchestrator/api"
)

// Deployments lists the running deployments.
func (c *Client) Deployments(ctx context.Context) ([]api.Deployment, error) {
	var v []api.Deployment
	_, err := c.json(ctx, request{method: http.MethodGet, path: "/v2/deployments"}, &v)
	return v, err
}

// Deployment returns a deployment that runs, or one that has ended lately, which only Berth's orchestrator remembers. One
// that is not known is an error with api.CodeNotFound.
func (c *Client) Deployment(ctx context.Context, id string) (*api.Deployment, error) {
	list, err := c.Deployments(ctx)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(list, func(d api.Deployment) bool { return d.ID == id }); i >= 0 {
		return &list[i], nil
	}
	var d api.Deployment
	_, err = c.json(ctx, request{method: http.MethodGet, path: "/v2/deployments/" + url.PathEscape(id)}, &d)
	var no *refused
	if errors.As(err, &no) && no.status == http.StatusMethodNotAllowed { // Marathon's answer
		return nil, api.NotFound("DeploymentPlan", id)
	}
	if err != nil {
		return nil, err
	}
	return &d, nil
}

// CancelDeployment rolls a deployment back; the result is the deployment that does so. With Force it only stops, half
// done, and the result is zero.
func (c *Client) CancelDeployment(ctx context.Context, id string, opt WriteOptions) (Result, error) {
	return c.write(ctx, http.MethodDelete, "/v2/deployments/"+id, opt.query(), nil)
}

// Queue lists the apps that wait for tasks to start, with the reasons.
func (c *Client) Queue(ctx context.Context) ([]api.QueueEntry, error) {
	var v struct {
		Queue []api.QueueEntry `json:"queue"`
	}
	_, err := c.json(ctx, request{method: http.MethodGet, path: "/v2/queue"}, &v)
	return v.Queue, err
}

// ResetDelay ends an app's backoff.
func (c *Client) ResetDelay(ctx context.Context, id string) error {
	rq := request{method: http.MethodDelete, path: "/v2/queue" + appPath(id)[len("/v2/apps"):] + "/delay"}
	return c.do(ctx, rq, func(answer) error { return nil })
}

// Versions lists an app's versions, newest first.
func (c *Client) Versions(ctx context.Context, id string) ([]api.Timestamp, error) {
	var v struct {
		Versions []api.Timestamp `json:"versions"`
	}
	_, err := c.json(ctx, request{method: http.MethodGet, path: appPath(id) + "/versions"}, &v)
	return v.Versions, err
}

// Version reads an app's definition as it was.
func (c *Client) Version(ctx context.Context, id string, version api.Timestamp) (*api.App, error) {
	var v api.App
	path := appPath(id) + "/versions/" + version.String()
	_, err := c.json(ctx, request{method: http.MethodGet, path: path}, &v)
	if err != nil {
		return nil, err
	}
	return &v, nil
}
