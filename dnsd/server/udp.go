package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socketBuffer is asked of the kernel for each direction, in bytes; it gives what it allows.
const socketBuffer = 4 << 20

// listenUDP opens sockets that share one address, one for each processor.
func listenUDP(ctx context.Context, addr netip.AddrPort) ([]*net.UDPConn, error) {
	network := "udp4"
	if addr.Addr().Is6() {
		network = "udp6"
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return prepare(c, addr.Addr()) }}
	var out []*net.UDPConn
	for range max(1, runtime.GOMAXPROCS(0)) {
		c, err := lc.ListenPacket(ctx, network, addr.String())
		if err != nil {
			for _, c := range out {
				_ = c.Close()
			}
			return nil, fmt.Errorf("listen on %s by UDP: %w", addr, explain(err))
		}
		u := c.(*net.UDPConn)
		_ = u.SetReadBuffer(socketBuffer)
		_ = u.SetWriteBuffer(socketBuffer)
		out = append(out, u)
		addr = u.LocalAddr().(*net.UDPAddr).AddrPort()
	}
	return out, nil
}

// explain adds what usually is behind an error.
func explain(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: another name server has it, often systemd-resolved's stub on 127.0.0.53; listen on single "+
			"addresses instead of all", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: ports below 1024 need root or CAP_NET_BIND_SERVICE", err)
	}
	return err
}

// prepare lets several sockets share an address, and on a wildcard has the kernel tell to which address a query came, so
// that the answer leaves from there.
func prepare(c syscall.RawConn, ip netip.Addr) error {
	var err error
	ctl := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		switch {
		case err != nil || !ip.IsUnspecified():
		case ip.Is4():
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		default:
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}
	})
	return errors.Join(ctl, err)
}

// udpWorker answers the queries of one socket.
type udpWorker struct {
	s     *Server
	conn  *net.UDPConn
	b     *batch
	t     *tally
	r     rnd
	q     question
	later sync.WaitGroup
}

func (s *Server) newUDPWorker(c *net.UDPConn) (*udpWorker, error) {
	b, err := newBatch(c)
	if err != nil {
		return nil, err
	}
	return &udpWorker{s: s, conn: c, b: b, t: s.newTally(), r: rnd{state: rand.Uint64() | 1}}, nil
}

// run answers until the socket is closed, and waits for answers that are still to come.
func (w *udpWorker) run(ctx context.Context) {
	defer w.later.Wait()
	for {
		n, err := w.b.receive()
		switch {
		case errors.Is(err, net.ErrClosed) || ctx.Err() != nil:
			return
		case err != nil:
			w.s.log.Warn("read queries", "err", err) // such as an ICMP error for an earlier answer
			time.Sleep(time.Millisecond)
			continue
		}
		w.serve(ctx, n)
	}
}

// serve answers the n datagrams read.
func (w *udpWorker) serve(ctx context.Context, n int) {
	began := time.Now()
	v := w.s.view.Load()
	k := 0
	w.t.udp.Add(uint64(n))
	for i := range n {
		size := w.one(ctx, v, i, w.b.out[k].data[:])
		if size > 0 {
			w.t.answered(w.b.out[k].data[:size])
			w.b.queue(k, i, size)
			k++
		}
	}
	if lost := w.b.flush(k); lost > 0 {
		w.t.sendErrors.Add(uint64(lost))
	}
	w.t.zoneTime.observe(time.Since(began), k)
}

// one writes the answer to the i-th datagram to out, or returns 0 if there is none, or none yet.
func (w *udpWorker) one(ctx context.Context, v *view, i int, out []byte) int {
	p, whole := w.b.packet(i)
	if w.s.limit != nil || len(v.config.Queries) > 0 {
		if n, done := w.restrict(v, i, p, out); done {
			return n
		}
	}
	if whole {
		if n := v.hot(&w.q, w.b.from(i).Addr(), p, out, false, &w.r); n > 0 {
			w.t.hot.Add(1)
			return n
		}
	} else {
		p = p[:min(len(p), headerSize)]
	}
	qu := query{packet: p, from: w.b.from(i).Addr(), view: v, tally: w.t}
	reply, wait := w.s.slow(&qu)
	if wait != nil {
		w.answerLater(ctx, i, wait)
		return 0
	}
	return copy(out, reply)
}

// restrict applies what holds for all queries of a client.
func (w *udpWorker) restrict(v *view, i int, p, out []byte) (n int, done bool) {
	if len(p) < headerSize || p[2]&bitQR != 0 {
		return 0, false // gets no answer anyway
	}
	from := w.b.from(i).Addr()
	if len(v.config.Queries) > 0 && !allowed(v.config.Queries, from) {
		w.t.refused.Add(1)
		return bare(p, out, rcodeRefused), true
	}
	return w.limited(v, from, p, out)
}

// limited applies the rate limit.
func (w *udpWorker) limited(v *view, from netip.Addr, p, out []byte) (n int, done bool) {
	now := time.Now()
	verdict := w.s.limit.judge(from, now)
	if verdict != send && w.q.parse(p) && v.config.secret.valid(w.q.cookie, from, uint32(now.Unix())) {
		verdict = send // it is there, and nobody else's victim
	}
	switch verdict {
	case drop:
		w.t.dropped.Add(1)
		return 0, true
	case truncate:
		w.t.limited.Add(1)
		n := bare(p, out, 0)
		out[2] |= bitTC
		return n, true
	}
	return 0, false
}

// answerLater answers when wait has the answer.
func (w *udpWorker) answerLater(ctx context.Context, i int, wait func(context.Context) []byte) {
	conn, e, began := w.b.conn, w.b.envelope(i), time.Now()
	w.later.Go(func() {
		defer w.s.release()
		reply := wait(ctx)
		w.t.answered(reply)
		if err := sendLater(conn, &e, reply); err != nil {
			w.t.sendErrors.Add(1)
		}
		w.t.forwardTime.observe(time.Since(began), 1)
	})
}
