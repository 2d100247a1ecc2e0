package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/miekg/dns"

	"berth/dnsd/zone"
)

// Forwarder answers what is not ours.
type Forwarder interface {
	// Forward answers a query of one question; tcp says how the client asked. The answer may be shared: it is not changed.
	// An error becomes SERVFAIL, or REFUSED if it is ErrOff.
	Forward(ctx context.Context, m *dns.Msg, tcp bool) (*dns.Msg, error)
}

// ErrOff is a Forwarder's error for a name that it does not ask anybody about.
var ErrOff = errors.New("not forwarded")

// Server answers DNS queries. Its zone is replaced by Set, at any time.
type Server struct {
	config  Config
	forward Forwarder
	log     *slog.Logger
	limit   *limiter
	view    atomic.Pointer[view]
	waiting chan struct{} // a token for each query that waits for an upstream
	moving  chan struct{} // a token for each transfer under way

	open   atomic.Int64 // TCP connections
	errors atomic.Uint64

	mu      sync.Mutex
	tallies []*tally
	clients map[netip.Addr]int // open TCP connections
}

// New returns a server for a zone that no apps have been read for: until Set, names below its apexes get SERVFAIL. f may be nil:
// other names are refused. log may be nil.
func New(c Config, empty *zone.Zone, f Forwarder, log *slog.Logger) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		config: c, forward: f, log: log, limit: newLimiter(c.RateLimit), waiting: make(chan struct{}, c.Forwards),
		moving: make(chan struct{}, c.Transfers), clients: map[netip.Addr]int{},
	}
	s.config.secret = newSecret()
	s.view.Store(&view{zone: empty, config: &s.config})
	return s, nil
}

// Set makes z what queries are answered from. stale says that its source has been silent for too long.
func (s *Server) Set(z *zone.Zone, stale bool) {
	s.view.Store(&view{zone: z, loaded: true, stale: stale, config: &s.config})
}

// Expire makes names of ours SERVFAIL until the next Set: what is known of them is too old to be of use.
func (s *Server) Expire() {
	s.view.Store(&view{zone: s.view.Load().zone, expired: true, config: &s.config})
}

// Zone returns what queries are answered from, and whether it was set.
func (s *Server) Zone() (z *zone.Zone, loaded bool) {
	v := s.view.Load()
	return v.zone, v.loaded
}

// Listener is an address that a Server has bound but does not serve yet.
type Listener struct {
	addr netip.AddrPort
	udp  []*net.UDPConn
	tcp  *net.TCPListener
}

// Addr is the address bound, with the port chosen if none was given.
func (l *Listener) Addr() netip.AddrPort { return l.addr }

// Close gives the address back. Run does that itself.
func (l *Listener) Close() {
	for _, c := range l.udp {
		_ = c.Close()
	}
	if l.tcp != nil {
		_ = l.tcp.Close()
	}
}

// Listen binds addr for UDP and TCP. TCP comes first where the port is given: unlike the sockets for UDP, which share their
// address, it finds out that somebody else has it.
func Listen(ctx context.Context, addr netip.AddrPort) (*Listener, error) {
	for try := 0; ; try++ {
		l, err := listen(ctx, addr)
		if err == nil || addr.Port() != 0 || try == 10 || !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
	}
}

func listen(ctx context.Context, addr netip.AddrPort) (*Listener, error) {
	network := "tcp4"
	if addr.Addr().Is6() {
		network = "tcp6"
	}
	var lc net.ListenConfig
	t, err := lc.Listen(ctx, network, addr.String())
	if err != nil {
		return nil, fmt.Errorf("listen on %s by TCP: %w", addr, explain(err))
	}
	l := &Listener{tcp: t.(*net.TCPListener)}
	l.addr = netip.AddrPortFrom(addr.Addr(), l.tcp.Addr().(*net.TCPAddr).AddrPort().Port())
	if l.udp, err = listenUDP(ctx, l.addr); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Run serves listeners until ctx ends, and closes them. Queries that wait for an upstream are given up then.
func (s *Server) Run(ctx context.Context, listeners ...*Listener) error {
	inside, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	defer group.Wait()
	stop := context.AfterFunc(inside, func() {
		for _, l := range listeners {
			l.Close()
		}
	})
	defer func() {
		if stop() {
			for _, l := range listeners {
				l.Close()
			}
		}
	}()
	for _, l := range listeners {
		for _, c := range l.udp {
			w, err := s.newUDPWorker(c)
			if err != nil {
				return err
			}
			group.Go(func() { w.run(inside) })
		}
		group.Go(func() { s.serveTCP(inside, l.tcp) })
	}
	<-inside.Done()
	return ctx.Err()
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	st := Stats{Connections: s.open.Load(), InFlight: int64(len(s.waiting)), ListenErrors: s.errors.Load()}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tallies {
		t.addTo(&st)
	}
	return st
}

func (s *Server) newTally() *tally {
	t := &tally{}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tallies = append(s.tallies, t)
	return t
}

// acquire takes a token to wait for an upstream; release gives it back.
func (s *Server) acquire() bool {
	select {
	case s.waiting <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s *Server) release() { <-s.waiting }
