package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// LogOptions select a part of a task's output.
type LogOptions struct {
	Stream string // stdout or stderr [stdout]
	Follow bool   // go on until the task ends or the reader is closed
	Lines  int    // the last so many lines; negative means all
}

// Logs reads a task's output (Berth only). With Follow the stream has no time limit but ctx. The caller closes it.
func (c *Client) Logs(ctx context.Context, taskID string, opt LogOptions) (io.ReadCloser, error) {
	q := url.Values{}
	if opt.Stream != "" {
		q.Set("stream", opt.Stream)
	}
	if opt.Follow {
		q.Set("follow", "true")
	}
	if opt.Lines >= 0 {
		q.Set("lines", strconv.Itoa(opt.Lines))
	}
	rq := request{method: http.MethodGet, path: "/v2/tasks/" + taskID + "/logs", query: q, accept: "text/plain"}
	resp, err := c.openAny(ctx, rq)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// openAny is open at the first URL that does.
func (c *Client) openAny(ctx context.Context, rq request) (*http.Response, error) {
	var errs attemptErrors
	for _, i := range c.order("") {
		resp, err := c.open(ctx, c.ends[i], rq)
		var ae *attemptError
		switch {
		case err == nil:
			return resp, nil
		case errors.As(err, &ae) && ae.elsewhere && ctx.Err() == nil:
			errs = append(errs, err)
		default:
			return nil, err
		}
	}
	return nil, errs
}

// open is attempt for an answer without an end: only the time until its header is limited.
func (c *Client) open(ctx context.Context, e endpoint, rq request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(headerTimeout, func() { cancel(errLate) })
	hops := apiHops
	if rq.accept == eventStream {
		hops = 1
	}
	resp, err := c.attempt(ctx, e, rq, hops)
	if !late.Stop() && err == nil {
		resp.Body.Close()
		err = &attemptError{e.name, errLate, true}
	}
	if err == nil && rq.accept == eventStream {
		if err = checkStream(resp); err != nil {
			resp.Body.Close()
			err = &attemptError{e.name, err, true}
		}
	}
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errLate) {
			err = &attemptError{e.name, errLate, true}
		}
		cancel(nil)
		return nil, err
	}
	resp.Body = &openBody{resp.Body, cancel}
	return resp, nil
}

var errLate = fmt.Errorf("no answer within %v", headerTimeout)

// openBody ends the exchange when it is closed, however much of the answer is left.
type openBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (b *openBody) Close() error {
	b.cancel(nil)
	return b.ReadCloser.Close()
}
