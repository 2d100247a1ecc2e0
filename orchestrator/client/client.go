package client

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of time that no option changes.
const (
	connectTimeout = 3 * time.Second  // one TCP connection
	headerTimeout  = 10 * time.Second // until a stream of events or logs has sent its header
)

// Client speaks to one cluster. It is safe for concurrent use.
type Client struct {
	opt  Options
	log  *slog.Logger
	ends []endpoint
	http *http.Client
	auth authorizer

	watching chan struct{} // holds one token while a Watch runs
	noAcks   atomic.Bool   // the server of the present event stream has no /v1/acks
	acks     *outbox       // set while a Watch runs; guarded by mu

	mu       sync.Mutex
	first    int // index in ends of the URL that worked last
	status   Status
	current  bool      // the state was read whole and nothing announced is open
	lastByte time.Time // of the event stream
}

// New checks the options; it does not connect. Errors never repeat a URL's credentials.
func New(opt Options) (*Client, error) {
	opt = opt.withDefaults()
	ends, err := parseEndpoints(opt.URLs)
	if err != nil {
		return nil, err
	}
	tlsCfg, err := TLS(opt)
	if err != nil {
		return nil, err
	}
	c := &Client{opt: opt, log: opt.Log, ends: ends, watching: make(chan struct{}, 1)}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: connectTimeout, KeepAlive: 15 * time.Second}).DialContext,
			TLSClientConfig:     tlsCfg,
			TLSHandshakeTimeout: connectTimeout,
			MaxIdleConnsPerHost: opt.Parallel + 2,
			IdleConnTimeout:     90 * time.Second,
			WriteBufferSize:     16 << 10,
			ReadBufferSize:      16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if c.auth, err = newAuthorizer(opt, c.http); err != nil {
		return nil, err
	}
	return c, nil
}

// Close drops idle connections. The client stays usable.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Watch follows the cluster until ctx ends and calls deliver with each new snapshot, one call at a time; the first comes
// from the cache file if nothing answers. It returns only ctx's error. A second Watch waits for the first to end.
//
// deliver may take its time: events are read meanwhile and answered by one later snapshot. Nothing is delivered when
// neither an app nor the index changed.
func (c *Client) Watch(ctx context.Context, deliver func(context.Context, *Snapshot)) error {
	select {
	case c.watching <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.watching }()
	newWatcher(c, deliver).run(ctx)
	return ctx.Err()
}
