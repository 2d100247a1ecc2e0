package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"berth/orchestrator/api"
)

// Options configure a Server. The zero value is usable: no authentication, the documented defaults.
type Options struct {
	// Credentials open the API; without any, it is open to everyone who reaches it.
	Credentials []Credential
	// Audit gets a record of every request that changes something or was refused; nil: nobody. It is called from many
	// goroutines, when the answer has been sent.
	Audit func(AuditRecord)

	MaxBody     int64 // bytes of a request's body (1 MiB)
	MaxRequests int   // requests under way at the same time, streams aside (256)
	MaxStreams  int   // event streams at the same time (1000)
	MaxFollowed int   // logs being read at the same time (250)
	// Advertise is the host:port under which others reach this server, shown as the leader.
	Advertise string
	// Origins may use the API from a browser page of another site, as scheme://host[:port]; none by default.
	Origins []string
	Version string // Berth's own version, shown by /v2/info
	// LegacyFields adds to apps that are read the fields ports and uris, which Marathon had before 1.5: zdd.py looks at
	// ports to find out which of its two service ports is free.
	LegacyFields bool

	UI    http.Handler // serves /ui/; nil: no page
	Ready func() error // why the server is not ready yet; nil: always ready
	// Registry holds this server's metrics, and those of others that are to be served with them; nil makes one.
	Registry *prometheus.Registry

	Heartbeat    time.Duration // longest silence on an event stream (10 s)
	WriteTimeout time.Duration // a reader that takes nothing for so long is cut off (10 s)

	Now func() time.Time // time.Now
	Log *slog.Logger     // nil discards
}

func (o *Options) setDefaults() {
	if o.MaxBody <= 0 {
		o.MaxBody = 1 << 20
	}
	if o.MaxRequests <= 0 {
		o.MaxRequests = 256
	}
	if o.MaxStreams <= 0 {
		o.MaxStreams = 1000
	}
	if o.MaxFollowed <= 0 {
		o.MaxFollowed = 250
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = 10 * time.Second
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 10 * time.Second
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Server is Marathon's HTTP API over a Backend. It is an http.Handler.
type Server struct {
	backend Backend
	opt     Options
	log     *slog.Logger
	keys    atomic.Pointer[keys]
	origins *http.CrossOriginProtection
	metrics *metrics

	guesses   *buckets      // wrong credentials by address
	strangers *buckets      // audit records of those not let in, by address
	places    chan struct{} // one token per request under way
	streams   chan struct{} // one token per open event stream
	followed  chan struct{} // one token per log being read
	backups   chan struct{} // the one token of a backup being sent

	closing   chan struct{} // closed when streams are to end
	closeOnce sync.Once
}

// New makes a Server. It fails when an origin is not of the form scheme://host[:port] or the metrics' names are taken in
// the registry.
func New(b Backend, opt Options) (*Server, error) {
	opt.setDefaults()
	s := &Server{
		backend: b,
		opt:     opt,
		log:     opt.Log,
		origins: http.NewCrossOriginProtection(),

		guesses:   newBuckets(5, 50),
		strangers: newBuckets(1, 50),
		places:    make(chan struct{}, opt.MaxRequests),
		streams:   make(chan struct{}, opt.MaxStreams),
		followed:  make(chan struct{}, opt.MaxFollowed),
		backups:   make(chan struct{}, 1),
		closing:   make(chan struct{}),
	}
	s.keys.Store(newKeys(opt.Credentials))
	for _, o := range opt.Origins {
		if err := s.origins.AddTrustedOrigin(o); err != nil {
			return nil, fmt.Errorf("origin %q: %w", o, err)
		}
	}
	var err error
	if s.metrics, err = newMetrics(b, opt.Registry); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends all streams, events and followed logs, and new ones as soon as they begin. Call it when the HTTP server shuts down,
// which waits for them (http.Server.RegisterOnShutdown).
func (s *Server) Close() { s.closeOnce.Do(func() { close(s.closing) }) }

// untilClosed returns a context that ends with the request or the server.
func (s *Server) untilClosed(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-s.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); <-done }
}

// answerTimeout bounds sending an answer that is not a stream.
const answerTimeout = time.Minute

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	start := s.opt.Now()
	w := &recorder{ResponseWriter: rw}
	_ = http.NewResponseController(rw).SetWriteDeadline(time.Now().Add(answerTimeout)) // recorders in tests can't
	c := &call{Request: r, target: match(r.URL.Path), query: r.URL.Query(), limit: s.opt.MaxBody}
	defer func() {
		if p := recover(); p != nil {
			s.recovered(w, c, p)
		}
		s.finish(w, c, s.opt.Now().Sub(start))
	}()
	s.setHeaders(w.Header(), c)
	if err := s.dispatch(w, c); err != nil {
		s.fail(w, c, err)
	}
}

// recovered answers a request whose handler panicked. Once an answer has begun, nothing but ending the connection tells
// the client that it is not whole.
func (s *Server) recovered(w *recorder, c *call, p any) {
	if p == http.ErrAbortHandler {
		panic(p)
	}
	s.log.Error("handler panicked", "method", c.Method, "uri", c.URL.RequestURI(), "panic", p, "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	s.fail(w, c, fmt.Errorf("panic: %v", p))
}

// dispatch checks what holds for all endpoints and calls the handler. The order matters: who may not ask learns nothing.
func (s *Server) dispatch(w http.ResponseWriter, c *call) error {
	if s.preflight(w, c) {
		return nil
	}
	if err := s.authenticate(c); err != nil {
		return err
	}
	leave, err := s.enter(c)
	if err != nil {
		return err
	}
	defer leave()
	if err := c.authorize(); err != nil {
		return err
	}
	methods := endpoints[c.route]
	if len(methods) == 0 {
		return &api.Error{Code: api.CodeNotFound, Message: "no such endpoint: " + c.URL.Path}
	}
	method := c.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	h, ok := methods[method]
	switch {
	case c.Method == http.MethodOptions:
		w.Header().Set("Allow", allow(methods))
		w.WriteHeader(http.StatusNoContent)
		return nil
	case !ok:
		return notAllowed(methods)
	case writes(c.Method):
		if err := s.checkWrite(c); err != nil {
			return err
		}
	}
	return h(s, w, c)
}

func notAllowed(methods map[string]handler) error {
	return &refusal{
		status:  http.StatusMethodNotAllowed,
		message: "Method Not Allowed",
		header:  http.Header{"Allow": {allow(methods)}},
	}
}

func writes(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}
