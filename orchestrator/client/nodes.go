package client

import (
	"context"
	"net/http"

	"berth/orchestrator/api"
)

// Nodes lists the agents. A Marathon has no such endpoint: not found.
func (c *Client) Nodes(ctx context.Context) ([]api.Node, error) {
	var v struct {
		Nodes []api.Node `json:"nodes"`
	}
	_, err := c.json(ctx, request{method: http.MethodGet, path: "/v1/nodes"}, &v)
	return v.Nodes, err
}

// Node reads one agent with its tasks.
func (c *Client) Node(ctx context.Context, id string) (*api.NodeInfo, error) {
	return c.node(ctx, http.MethodGet, id, "")
}

// Drain begins to move all tasks away from an agent and keeps new ones from it.
func (c *Client) Drain(ctx context.Context, id string) (*api.NodeInfo, error) {
	return c.node(ctx, http.MethodPost, id, "/drain")
}

// Resume takes a Drain back: the agent takes new tasks again.
func (c *Client) Resume(ctx context.Context, id string) (*api.NodeInfo, error) {
	return c.node(ctx, http.MethodPost, id, "/resume")
}

func (c *Client) node(ctx context.Context, method, id, verb string) (*api.NodeInfo, error) {
	var v struct {
		Node api.NodeInfo `json:"node"`
	}
	if _, err := c.json(ctx, request{method: method, path: "/v1/nodes/" + id + verb}, &v); err != nil {
		return nil, err
	}
	return &v.Node, nil
}
