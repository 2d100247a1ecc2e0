package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"time"

	"berth/orchestrator/api"
)

// apiHops is how many redirects a call follows; an event stream follows one.
const apiHops = 3

// request is one call, independent of the URL it goes to.
type request struct {
	method string
	path   string // unescaped, starting with a slash
	query  url.Values
	body   []byte
	accept string        // [application/json]
	avoid  string        // the URL of this name is tried last
	limit  time.Duration // one attempt [Options.Timeout]
	// upgrade is the protocol to change to; the answer's body is then the connection.
	upgrade string
}

// answer is what a successful attempt got, while its body is being read.
type answer struct {
	*http.Response
	source string // the URL asked, without credentials
}

// index is the revision the answer reflects, 0 if it does not say.
func (a answer) index() uint64 {
	n, _ := strconv.ParseUint(a.Header.Get(api.IndexHeader), 10, 64)
	return n
}

// do asks one URL after the other until read has accepted an answer with a 2xx status. read may run several times. A
// refusal by the API ends the search and is returned as *api.Error.
func (c *Client) do(ctx context.Context, rq request, read func(answer) error) error {
	var errs attemptErrors
	for _, i := range c.order(rq.avoid) {
		err := c.try(ctx, c.ends[i], rq, read)
		var ae *attemptError
		switch {
		case err == nil:
			c.prefer(i)
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s %s: %w", rq.method, rq.path, ctx.Err())
		case errors.As(err, &ae) && ae.elsewhere:
			errs = append(errs, err)
			c.log.Debug("orchestrator url passed over", "url", c.ends[i].name, "err", ae.err)
		default:
			c.prefer(i)
			return err
		}
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errs
}

// try makes one attempt, bounded in time and, through limitBody, in size.
func (c *Client) try(ctx context.Context, e endpoint, rq request, read func(answer) error) error {
	limit := rq.limit
	if limit == 0 {
		limit = c.opt.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	resp, err := c.attempt(ctx, e, rq, apiHops)
	if err != nil {
		return err
	}
	defer finish(resp.Body)
	resp.Body = limitBody(resp.Body, c.opt.MaxBody)
	if err := read(answer{resp, e.name}); err != nil {
		return &attemptError{e.name, err, safe(rq.method)}
	}
	return nil
}

// attempt sends rq to e and returns an answer with a 2xx status.
func (c *Client) attempt(ctx context.Context, e endpoint, rq request, hops int) (*http.Response, error) {
	var sent bool
	resp, err := c.send(ctx, e, rq, hops, &sent)
	if err == nil && resp.StatusCode == http.StatusUnauthorized && c.auth.refused() {
		finish(resp.Body)
		resp, err = c.send(ctx, e, rq, hops, &sent)
	}
	if err != nil {
		return nil, &attemptError{e.name, err, safe(rq.method) || !sent}
	}
	if resp.StatusCode/100 == 2 || resp.StatusCode == http.StatusSwitchingProtocols && rq.upgrade != "" {
		return resp, nil
	}
	defer finish(resp.Body)
	refusal, genuine := readRefusal(resp)
	err = &refused{refusal, resp.StatusCode, answer{resp, e.name}.index()}
	if genuine && !passOver(rq.method, resp.StatusCode) {
		return nil, err
	}
	return nil, &attemptError{e.name, err, safe(rq.method) || passOver(rq.method, resp.StatusCode)}
}

// safe reports whether a request may be sent twice without anybody noticing.
func safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// passOver reports whether a status says more about the server asked than about the request. Writes are repeated only
// where the first server surely did nothing: no credentials, or not ready.
func passOver(method string, status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable:
		return true
	}
	return safe(method) && (status >= 500 || status/100 == 3)
}

// send does the exchange with e, following redirects with the credentials: Marathon's followers redirect to the leader.
// sent tells afterwards whether a server may have seen the request.
func (c *Client) send(ctx context.Context, e endpoint, rq request, hops int, sent *bool) (*http.Response, error) {
	target := e.url(rq.path, rq.query)
	for n := 0; ; n++ {
		resp, err := c.sendTo(ctx, e, rq, target, sent)
		if err != nil || !redirects(resp.StatusCode, rq.method) {
			return resp, err
		}
		next, err := resp.Location()
		finish(resp.Body)
		switch {
		case err != nil:
			return nil, fmt.Errorf("redirect without a usable Location (status %d)", resp.StatusCode)
		case n == hops:
			return nil, fmt.Errorf("redirected more than %d times, last to %s", hops, redact(next))
		case target.Scheme == "https" && next.Scheme != "https":
			return nil, fmt.Errorf("redirect from https to %s refused", redact(next))
		}
		next.User = nil
		target = next
	}
}

func redirects(status int, method string) bool {
	switch status {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		return safe(method) // others would turn the write into a read
	}
	return false
}

func (c *Client) sendTo(ctx context.Context, e endpoint, rq request, to *url.URL, sent *bool) (*http.Response, error) {
	*sent = false
	var body io.Reader
	if rq.body != nil {
		body = bytes.NewReader(rq.body)
	}
	r, err := http.NewRequestWithContext(ctx, rq.method, to.String(), body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	if rq.accept != "" {
		r.Header.Set("Accept", rq.accept)
	}
	if rq.accept == eventStream { // never packed: a packer would hold events back
		r.Header.Set("Accept-Encoding", "identity")
		r.Header.Set("Cache-Control", "no-cache")
	}
	if rq.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if rq.upgrade != "" {
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", rq.upgrade)
	}
	r.Header.Set("User-Agent", c.opt.UserAgent)
	if err := c.auth.authorize(ctx, r, e); err != nil {
		return nil, err
	}
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { *sent = true }}
	resp, err := c.http.Do(r.WithContext(httptrace.WithClientTrace(ctx, trace)))
	var ue *url.Error
	if errors.As(err, &ue) { // it repeats the URL, which the caller names anyway
		return nil, ue.Err
	}
	return resp, err
}

// order lists the indexes of all URLs, the one that worked last first and the one named avoid last.
func (c *Client) order(avoid string) []int {
	c.mu.Lock()
	first := c.first
	c.mu.Unlock()
	order, last := make([]int, 0, len(c.ends)), -1
	for k := range c.ends {
		i := (first + k) % len(c.ends)
		if c.ends[i].name == avoid && last < 0 {
			last = i
			continue
		}
		order = append(order, i)
	}
	if last >= 0 {
		order = append(order, last)
	}
	return order
}

// prefer makes URL i the first to be asked from now on.
func (c *Client) prefer(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first = i
}

// json is do with a decoded answer.
func (c *Client) json(ctx context.Context, rq request, into any) (http.Header, error) {
	var header http.Header
	err := c.do(ctx, rq, func(a answer) error {
		header = a.Header
		data, err := io.ReadAll(a.Body)
		if err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if err := json.Unmarshal(data, into); err != nil {
			return fmt.Errorf("decode the answer: %w", err)
		}
		return nil
	})
	return header, err
}

// text is do with the answer as it came, which must be JSON or empty.
func (c *Client) text(ctx context.Context, rq request, into *json.RawMessage) (http.Header, error) {
	var header http.Header
	err := c.do(ctx, rq, func(a answer) error {
		header = a.Header
		data, err := io.ReadAll(a.Body)
		if err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		*into = bytes.TrimSpace(data)
		if len(*into) > 0 && !json.Valid(*into) {
			return errors.New("the answer is not JSON")
		}
		return nil
	})
	return header, err
}
