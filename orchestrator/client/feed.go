package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	maxNotices  = 10_000          // undelivered events; more become one that names no app
	streamBase  = time.Second / 4 // see backoff
	streamLived = time.Second     // a stream that lived so long was a good one
)

// notice is what the feed tells the watcher: a stream is up (url), a stream or an attempt ended (err), or an event came.
type notice struct {
	url string
	err error
	change
}

// inbox hands notices over without ever making the reader of the stream wait.
type inbox struct {
	mu   sync.Mutex
	list []notice
	wake chan struct{}
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

func (b *inbox) put(n notice) {
	b.mu.Lock()
	if len(b.list) >= maxNotices && n.url == "" && n.err == nil {
		last := &b.list[len(b.list)-1]
		if last.url == "" && last.err == nil {
			n.change = last.change.merge(n.change)
			b.list = b.list[:len(b.list)-1]
		}
	}
	b.list = append(b.list, n)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *inbox) take() []notice {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.list
	b.list = nil
	return l
}

// merge makes one event of two that names no app.
func (c change) merge(later change) change {
	m := change{all: true, since: c.index, index: max(c.index, later.index)}
	if c.since != 0 {
		m.since = c.since
	}
	return m
}

// feed keeps an event stream open until ctx ends, taking one URL after the other.
func (c *Client) feed(ctx context.Context, in *inbox) {
	wait := backoff{base: streamBase, max: c.opt.MaxBackoff}
	next := c.order("")[0]
	for ctx.Err() == nil {
		start := time.Now()
		err := c.follow(ctx, c.ends[next%len(c.ends)], in)
		next++
		if ctx.Err() != nil {
			return
		}
		in.put(notice{err: err})
		pause(ctx, wait.after(time.Since(start), rand.Float64()))
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// follow reads one stream to its end and returns why it ended.
func (c *Client) follow(ctx context.Context, e endpoint, in *inbox) error {
	q := url.Values{"plan-format": {"light"}, "event_type": followed}
	if c.opt.Subscriber != "" {
		q.Set("subscriber", c.opt.Subscriber)
		q.Set("role", c.opt.Role)
	}
	rq := request{method: http.MethodGet, path: "/v2/events", query: q, accept: eventStream}
	resp, err := c.open(ctx, e, rq)
	if err != nil {
		return fmt.Errorf("open event stream: %w", err)
	}
	defer resp.Body.Close()
	in.put(notice{url: e.name})
	watched := newWatchedBody(resp.Body, c.opt.Silence, c.heard)
	defer watched.stop()
	frames := newFrameReader(watched, maxFrame)
	for {
		f, err := frames.next()
		if err != nil {
			return fmt.Errorf("event stream of %s: %w", e.name, watched.why(err))
		}
		for _, ch := range parseFrame(f) {
			in.put(notice{change: ch})
		}
	}
}

// heard notes that the stream gave a sign of life.
func (c *Client) heard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastByte = time.Now()
}

// watchedBody closes a body that gives no byte for a while, which ends a Read that waits for one.
type watchedBody struct {
	io.ReadCloser
	silence time.Duration
	timer   *time.Timer
	heard   func()

	mu     sync.Mutex
	silent bool
}

func newWatchedBody(body io.ReadCloser, silence time.Duration, heard func()) *watchedBody {
	w := &watchedBody{ReadCloser: body, silence: silence, heard: heard}
	w.timer = time.AfterFunc(silence, func() {
		w.mu.Lock()
		w.silent = true
		w.mu.Unlock()
		w.ReadCloser.Close()
	})
	return w
}

func (w *watchedBody) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if n > 0 {
		w.timer.Reset(w.silence)
		w.heard()
	}
	return n, err
}

func (w *watchedBody) stop() { w.timer.Stop() }

// why replaces the error of a closed body by the reason for closing it.
func (w *watchedBody) why(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.silent:
		return fmt.Errorf("no byte for %v", w.silence)
	case errors.Is(err, io.EOF):
		return errors.New("ended by the server")
	}
	return err
}
