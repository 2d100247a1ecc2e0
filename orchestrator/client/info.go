package client

import (
	"context"
	"encoding/json"
	"net/http"
)

// Info is what a server says about itself (marathon-api.md section 8.5).
type Info struct {
	Name         string         `json:"name"`
	Version      string         `json:"version"` // Marathon's, also from Berth
	FrameworkID  string         `json:"frameworkId"`
	Leader       string         `json:"leader"` // host:port
	Elected      bool           `json:"elected"`
	Config       map[string]any `json:"marathon_config"`
	Orchestrator map[string]any `json:"orchestrator"` // Berth only: own name and version

	Raw json.RawMessage `json:"-"` // the whole document
}

// Info reads /v2/info.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var raw json.RawMessage
	if _, err := c.json(ctx, request{method: http.MethodGet, path: "/v2/info"}, &raw); err != nil {
		return Info{}, err
	}
	v := Info{Raw: raw}
	return v, json.Unmarshal(raw, &v)
}

// Ping asks whether any URL answers.
func (c *Client) Ping(ctx context.Context) error {
	rq := request{method: http.MethodGet, path: "/ping", accept: "text/plain"}
	return c.do(ctx, rq, func(answer) error { return nil })
}
