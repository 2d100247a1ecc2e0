package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"berth/orchestrator/api"
)

// PlanOptions say how the documents of a plan are meant.
type PlanOptions struct {
	Remove  []string // apps that would be removed
	Replace bool     // each document is the whole app; otherwise it changes the fields it has
	Strict  bool     // refuse fields that nobody knows
	Force   bool     // as if running deployments were overridden
}

// Planned is what a change would do.
type Planned struct {
	Steps      []api.DeploymentStep `json:"steps"`
	Apps       []*api.AppInfo       `json:"apps"` // as they would be stored, without those removed
	Placements []api.Placement      `json:"placements"`
	Warnings   []string             `json:"warnings"`
	Unknown    []string             `json:"-"` // fields that nobody knows
}

// Plan asks what a change would do, without making it (Berth only). docs are app definitions, each with an id.
func (c *Client) Plan(ctx context.Context, docs []json.RawMessage, opt PlanOptions) (Planned, error) {
	q := url.Values{"remove": opt.Remove}
	for name, set := range map[string]bool{"strict": opt.Strict, "force": opt.Force} {
		if set {
			q.Set(name, "true")
		}
	}
	if opt.Replace {
		q.Set("partialUpdate", "false")
	}
	if docs == nil {
		docs = []json.RawMessage{}
	}
	body, err := json.Marshal(docs)
	if err != nil {
		return Planned{}, err
	}
	var p Planned
	header, err := c.json(ctx, request{method: http.MethodPost, path: "/v1/plan", query: q, body: body}, &p)
	if err != nil {
		return Planned{}, err
	}
	p.Unknown = listHeader(header[unknownHeader], true)
	return p, nil
}
