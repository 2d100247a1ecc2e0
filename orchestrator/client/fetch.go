package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"berth/orchestrator/api"
)

// singleLimit is the time for one attempt to read one app.
const singleLimit = 10 * time.Second

// singleResult is one app read anew.
type singleResult struct {
	item
	gone   bool // it does not exist
	index  uint64
	source string
	err    error
}

// readOne reads one app with its tasks.
func (c *Client) readOne(ctx context.Context, id string) singleResult {
	r := singleResult{item: item{id: id}}
	rq := request{
		method: http.MethodGet, path: appPath(id), query: url.Values{"embed": {"app.tasks", "app.readiness"}},
		limit: min(singleLimit, c.opt.Timeout),
	}
	r.err = c.do(ctx, rq, func(a answer) error {
		it, err := readApp(a.Body, id)
		if err == nil {
			r.item, r.index, r.source = it, a.index(), a.source
		}
		return err
	})
	var no *refused
	if errors.As(r.err, &no) && no.err.Code == api.CodeNotFound {
		r.gone, r.index, r.err = true, no.index, nil
	}
	return r
}

// fullResult is everything read anew.
type fullResult struct {
	items  []item
	index  uint64
	source string
	err    error
	stream int // the stream during which it was sent
	took   time.Duration
}

// readAll reads all apps with their tasks; the URL named avoid is asked last.
func (c *Client) readAll(ctx context.Context, known map[uint64]string, avoid string) fullResult {
	var r fullResult
	rq := request{
		method: http.MethodGet, path: "/v2/apps", query: url.Values{"embed": {"apps.tasks", "apps.readiness"}}, avoid: avoid,
	}
	start := time.Now()
	r.err = c.do(ctx, rq, func(a answer) error {
		items, err := readList(a.Body, known)
		if err == nil {
			r.items, r.index, r.source = items, a.index(), a.source
		}
		return err
	})
	r.took = time.Since(start)
	return r
}
