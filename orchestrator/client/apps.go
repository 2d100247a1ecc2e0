package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"berth/orchestrator/api"
)

// Headers with remarks on a document that was accepted (marathon-api.md sections 3 and 15).
const (
	warningsHeader = "X-Warnings"
	unknownHeader  = "X-Unknown-Fields"
)

// ReadOptions choose what a list of apps holds.
type ReadOptions struct {
	Embed   []string // parts to add, such as apps.tasks (section 7.1)
	ID, Cmd string   // substrings to look for
	Label   string   // label selector (section 8.1)
}

// WriteOptions accompany a write.
type WriteOptions struct {
	Force   bool // override a lock
	DryRun  bool // compute the answer, change nothing
	Strict  bool // refuse fields that nobody knows instead of dropping them
	Replace bool // PutApp: the document is the whole app; what it leaves out goes to its default
}

// Result is what a write did, or with DryRun would do.
type Result struct {
	api.DeploymentResult
	App      *api.AppInfo         // CreateApp, or DryRun: the app as stored
	Steps    []api.DeploymentStep // DryRun
	Warnings []string
	Unknown  []string // fields that nobody knows; they were dropped
}

func (o WriteOptions) query() url.Values {
	q := url.Values{}
	if o.Force {
		q.Set("force", "true")
	}
	if o.DryRun {
		q.Set("dryRun", "true")
	}
	if o.Strict {
		q.Set("strict", "true")
	}
	return q
}

// Apps lists apps.
func (c *Client) Apps(ctx context.Context, opt ReadOptions) ([]*api.AppInfo, error) {
	q := url.Values{}
	for _, e := range opt.Embed {
		q.Add("embed", e)
	}
	for k, v := range map[string]string{"id": opt.ID, "cmd": opt.Cmd, "label": opt.Label} {
		if v != "" {
			q.Set(k, v)
		}
	}
	var v struct {
		Apps *[]*api.AppInfo `json:"apps"`
	}
	_, err := c.json(ctx, request{method: http.MethodGet, path: "/v2/apps", query: q}, &v)
	if err == nil && v.Apps == nil {
		err = fmt.Errorf("list apps: answer without apps")
	}
	if err != nil {
		return nil, err
	}
	return *v.Apps, nil
}

// App reads one app; embed names parts to add, such as app.tasks. Without any, everything the server shows is there.
func (c *Client) App(ctx context.Context, id string, embed ...string) (*api.AppInfo, error) {
	var v struct {
		App *api.AppInfo `json:"app"`
	}
	q := url.Values{"embed": embed}
	_, err := c.json(ctx, request{method: http.MethodGet, path: appPath(id), query: q}, &v)
	if err == nil && v.App == nil {
		err = fmt.Errorf("read app %s: answer without app", id)
	}
	return v.App, err
}

// CreateApp posts an app definition as it was written.
func (c *Client) CreateApp(ctx context.Context, doc []byte, opt WriteOptions) (Result, error) {
	return c.write(ctx, http.MethodPost, "/v2/apps", opt.query(), doc)
}

// PutApp creates or changes an app: the document's top-level fields replace the stored ones.
func (c *Client) PutApp(ctx context.Context, id string, doc []byte, opt WriteOptions) (Result, error) {
	q := opt.query()
	if opt.Replace {
		q.Set("partialUpdate", "false")
	}
	return c.write(ctx, http.MethodPut, appPath(id), q, doc)
}

// PatchApp changes an app that exists.
func (c *Client) PatchApp(ctx context.Context, id string, doc []byte, opt WriteOptions) (Result, error) {
	return c.write(ctx, http.MethodPatch, appPath(id), opt.query(), doc)
}

// DeleteApp removes an app and its tasks. The server's default for force is true here, so it is always said.
func (c *Client) DeleteApp(ctx context.Context, id string, opt WriteOptions) (Result, error) {
	q := opt.query()
	q.Set("force", fmt.Sprint(opt.Force))
	return c.write(ctx, http.MethodDelete, appPath(id), q, nil)
}

// Scale sets the number of instances.
func (c *Client) Scale(ctx context.Context, id string, instances int, opt WriteOptions) (Result, error) {
	doc := fmt.Appendf(nil, `{"instances":%d}`, instances)
	return c.write(ctx, http.MethodPut, appPath(id), opt.query(), doc)
}

// Restart replaces all tasks of an app.
func (c *Client) Restart(ctx context.Context, id string, opt WriteOptions) (Result, error) {
	return c.write(ctx, http.MethodPost, appPath(id)+"/restart", opt.query(), nil)
}

// write sends a change and reads any of the answers it can get: a deployment, the app as stored, the steps of a dry run,
// or nothing.
func (c *Client) write(ctx context.Context, method, path string, q url.Values, doc []byte) (Result, error) {
	var raw json.RawMessage
	header, err := c.text(ctx, request{method: method, path: path, query: q, body: doc}, &raw)
	if err != nil {
		return Result{}, err
	}
	res := Result{Warnings: listHeader(header[warningsHeader], false), Unknown: listHeader(header[unknownHeader], true)}
	if len(raw) == 0 {
		return res, nil
	}
	var v struct {
		api.DeploymentResult
		ID    string               `json:"id"`
		Steps []api.DeploymentStep `json:"steps"`
		App   *api.AppInfo         `json:"app"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return res, fmt.Errorf("%s %s: decode the answer: %w", method, path, err)
	}
	res.DeploymentResult, res.Steps, res.App = v.DeploymentResult, v.Steps, v.App
	if v.ID != "" && v.App == nil {
		res.App = &api.AppInfo{}
		if err := json.Unmarshal(raw, res.App); err != nil {
			return res, fmt.Errorf("%s %s: decode the app: %w", method, path, err)
		}
	}
	if res.DeploymentID == "" {
		res.DeploymentID = header.Get("Marathon-Deployment-Id")
	}
	return res, nil
}

// appPath is the path of an app, or of a group's apps for an id ending in /*.
func appPath(id string) string { return "/v2/apps/" + strings.Trim(id, "/") }

// listHeader reads a header that carries a list: a JSON list, one text a line, or with commas several.
func listHeader(lines []string, commas bool) []string {
	var out []string
	for _, l := range lines {
		var list []string
		switch {
		case strings.HasPrefix(l, "[") && json.Unmarshal([]byte(l), &list) == nil:
			out = append(out, list...)
		case commas:
			for s := range strings.SplitSeq(l, ",") {
				if s = strings.TrimSpace(s); s != "" {
					out = append(out, s)
				}
			}
		case l != "":
			out = append(out, l)
		}
	}
	return out
}
