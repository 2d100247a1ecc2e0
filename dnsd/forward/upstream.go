package forward

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// bufferSize is offered to upstreams, in bytes.
const bufferSize = 1232

// upstream is one resolver that is asked.
type upstream struct {
	addr  netip.AddrPort
	slots chan struct{}

	loops  atomic.Bool // what we ask it comes back to us
	fails  atomic.Int32
	asked  atomic.Uint64
	failed atomic.Uint64

	mu   sync.Mutex
	down time.Time // of the last failure in a row
}

func newUpstream(a netip.AddrPort, perHost int) *upstream {
	return &upstream{addr: a, slots: make(chan struct{}, perHost)}
}

var (
	errBusy     = errors.New("too many queries wait for it")
	errLoop     = errors.New("it forwards to us")
	errMismatch = errors.New("it answered another question")
)

// restAfter is how long an upstream that failed several times in a row is asked only when there is no other.
const (
	restFails = 3
	restAfter = 5 * time.Second
)

// resting reports whether an upstream should be passed over while there are others.
func (u *upstream) resting(now time.Time) bool {
	if u.fails.Load() < restFails {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return now.Sub(u.down) < restAfter
}

func (u *upstream) note(err error, now time.Time) {
	if err == nil {
		u.fails.Store(0)
		return
	}
	u.failed.Add(1)
	u.fails.Add(1)
	u.mu.Lock()
	u.down = now
	u.mu.Unlock()
}

// exchange asks one question: by UDP from a port of its own, and by TCP if the client did so or the answer was cut.
func (u *upstream) exchange(ctx context.Context, m *dns.Msg, tcp bool) (*dns.Msg, error) {
	if u.loops.Load() {
		return nil, fmt.Errorf("ask %s: %w", u.addr, errLoop)
	}
	select {
	case u.slots <- struct{}{}:
		defer func() { <-u.slots }()
	default:
		return nil, fmt.Errorf("ask %s: %w", u.addr, errBusy)
	}
	u.asked.Add(1)
	in, err := (*dns.Msg)(nil), error(nil)
	if !tcp {
		in, err = u.once(ctx, m, "udp")
	}
	if tcp || err == nil && in.Truncated {
		long, longErr := u.once(ctx, m, "tcp")
		if in == nil || longErr == nil {
			in, err = long, longErr
		}
	}
	if ctx.Err() == nil || err == nil {
		u.note(err, time.Now())
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", u.addr, err)
	}
	return in, nil
}

func (u *upstream) once(ctx context.Context, m *dns.Msg, network string) (*dns.Msg, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, u.addr.String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	out := m.Copy()
	out.Id = randomID()
	conn := &dns.Conn{Conn: c, UDPSize: bufferSize}
	if err := conn.WriteMsg(out); err != nil {
		return nil, err
	}
	for {
		in, err := conn.ReadMsg()
		switch {
		case err != nil && (in == nil || network == "tcp"):
			return nil, err
		case err == nil && answers(in, out):
			return in, nil
		case network == "tcp":
			return nil, errMismatch
		}
		// By UDP, somebody guesses; the right one may still come.
	}
}

// answers reports whether in answers out.
func answers(in, out *dns.Msg) bool {
	if !in.Response || in.Id != out.Id || len(in.Question) > 1 {
		return false
	}
	if len(in.Question) == 0 {
		return in.Rcode == dns.RcodeFormatError || in.Rcode == dns.RcodeNotImplemented || in.Rcode == dns.RcodeServerFailure
	}
	a, b := in.Question[0], out.Question[0]
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && strings.EqualFold(a.Name, b.Name)
}

func randomID() uint16 {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint16(b[:])
}
