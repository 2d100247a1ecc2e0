package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"berth/orchestrator/api"
)

// Group reads a group with all below it, and how many tasks of each app run.
func (c *Client) Group(ctx context.Context, id string) (*api.GroupInfo, error) {
	q := url.Values{"embed": {"group.groups", "group.apps", "group.apps.counts", "group.apps.deployments"}}
	var v api.GroupInfo
	if _, err := c.json(ctx, request{method: http.MethodGet, path: groupPath(id), query: q}, &v); err != nil {
		return nil, err
	}
	return &v, nil
}

// GroupVersions lists a group's versions, newest first.
func (c *Client) GroupVersions(ctx context.Context, id string) ([]api.Timestamp, error) {
	var v []api.Timestamp
	_, err := c.json(ctx, request{method: http.MethodGet, path: groupPath(id) + "/versions"}, &v)
	return v, err
}

// CreateGroup posts a group as it was written.
func (c *Client) CreateGroup(ctx context.Context, doc []byte, opt WriteOptions) (Result, error) {
	return c.write(ctx, http.MethodPost, "/v2/groups", opt.query(), doc)
}

// PutGroup creates or changes a group: a list that the document gives replaces the stored one, with all that is missing
// from it.
func (c *Client) PutGroup(ctx context.Context, id string, doc []byte, opt WriteOptions) (Result, error) {
	return c.write(ctx, http.MethodPut, groupPath(id), opt.query(), doc)
}

// DeleteGroup removes a group with all below it.
func (c *Client) DeleteGroup(ctx context.Context, id string, opt WriteOptions) (Result, error) {
	return c.write(ctx, http.MethodDelete, groupPath(id), opt.query(), nil)
}

// groupPath is the path of a group; the root's has no id.
func groupPath(id string) string {
	return strings.TrimSuffix("/v2/groups/"+strings.Trim(id, "/"), "/")
}
