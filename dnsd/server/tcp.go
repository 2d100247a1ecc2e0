package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// serveTCP accepts connections until the listener is closed, and waits for them to end.
func (s *Server) serveTCP(ctx context.Context, l *net.TCPListener) {
	var conns sync.WaitGroup
	defer conns.Wait()
	t := s.newTally()
	for {
		c, err := l.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed) || ctx.Err() != nil:
			return
		case err != nil:
			s.errors.Add(1)
			s.log.Warn("accept connection", "err", err) // out of file descriptors, most likely
			time.Sleep(10 * time.Millisecond)
			continue
		}
		from := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		if !s.admit(from) {
			t.shed.Add(1)
			_ = c.Close()
			continue
		}
		conns.Go(func() {
			defer s.leave(from)
			s.newTCPConn(c, from, t).run(ctx)
		})
	}
}

// admit counts a connection in, unless there are too many.
func (s *Server) admit(from netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open.Load() >= int64(s.config.Connections) || s.clients[from] >= s.config.PerClient {
		return false
	}
	s.open.Add(1)
	s.clients[from]++
	return true
}

func (s *Server) leave(from netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open.Add(-1)
	if s.clients[from]--; s.clients[from] == 0 {
		delete(s.clients, from)
	}
}

// idle is how long a connection may be of no use: less as they become scarce (RFC 7766 section 6.2.3).
func (s *Server) idle() time.Duration {
	if s.open.Load() > int64(s.config.Connections/2) {
		return s.config.IdleTimeout / 5
	}
	return s.config.IdleTimeout
}

// tcpConn is one connection. Queries are read one after the other and answered in whatever order the answers come (RFC
// 7766 section 6.2.1.1).
type tcpConn struct {
	s    *Server
	conn *net.TCPConn
	from netip.Addr
	t    *tally
	r    rnd
	q    question
	in   []byte // grows to what the client sends

	mu    sync.Mutex // guards writes
	later sync.WaitGroup
	slots chan struct{} // one for each query that waits for an upstream
}

// tcpBuffers are rooms for answers: only those who are answering just now need one.
var tcpBuffers = sync.Pool{New: func() any { return new([2 + maxTCP]byte) }}

func (s *Server) newTCPConn(c *net.TCPConn, from netip.Addr, t *tally) *tcpConn {
	return &tcpConn{
		s: s, conn: c, from: from, t: t, r: rnd{state: rand.Uint64() | 1}, slots: make(chan struct{}, s.config.Pipeline),
	}
}

func (c *tcpConn) run(ctx context.Context) {
	defer c.conn.Close()
	defer c.later.Wait()
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	r := bufio.NewReaderSize(c.conn, 4096)
	for ctx.Err() == nil {
		p, err := c.read(ctx, r)
		if err != nil {
			return
		}
		c.t.tcp.Add(1)
		if !c.one(ctx, p) {
			return
		}
	}
}

// read returns the next query. A client may be idle, but once it begins a query it has to finish it in the same time.
func (c *tcpConn) read(ctx context.Context, r *bufio.Reader) ([]byte, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(c.s.idle())); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err() // its deadline may have been overwritten just now
	}
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(head[:]))
	c.in = slices.Grow(c.in[:0], n)[:n]
	_, err := io.ReadFull(r, c.in)
	return c.in, err
}

// one answers a query, now or later, and reports whether the connection is still of use.
func (c *tcpConn) one(ctx context.Context, p []byte) bool {
	began := time.Now()
	v := c.s.view.Load()
	if len(v.config.Queries) == 0 || allowed(v.config.Queries, c.from) {
		out := tcpBuffers.Get().(*[2 + maxTCP]byte)
		defer tcpBuffers.Put(out)
		if n := v.hot(&c.q, c.from, p, out[2:], true, &c.r); n > 0 {
			c.t.hot.Add(1)
			err := c.write(out[:2+n])
			c.t.zoneTime.observe(time.Since(began), 1)
			return err == nil
		}
	}
	qu := query{packet: p, from: c.from, tcp: true, view: v, tally: c.t}
	if isTransfer(p) {
		return c.transfer(&qu)
	}
	reply, wait := c.s.slow(&qu)
	switch {
	case wait != nil:
		return c.answerLater(ctx, wait)
	case reply == nil:
		return false
	}
	err := c.write(append([]byte{0, 0}, reply...))
	c.t.zoneTime.observe(time.Since(began), 1)
	return err == nil
}

// answerLater answers when wait has the answer, and reads on meanwhile, unless too many wait already.
func (c *tcpConn) answerLater(ctx context.Context, wait func(context.Context) []byte) bool {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		c.s.release()
		return false
	}
	began := time.Now()
	c.later.Go(func() {
		defer c.s.release()
		defer func() { <-c.slots }()
		defer func() { c.t.forwardTime.observe(time.Since(began), 1) }()
		if c.write(append([]byte{0, 0}, wait(ctx)...)) != nil {
			_ = c.conn.SetReadDeadline(time.Unix(1, 0)) // no use reading on
		}
	})
	return true
}

// write sends a message, for whose length two bytes are free in front.
func (c *tcpConn) write(b []byte) error {
	binary.BigEndian.PutUint16(b, uint16(len(b)-2))
	c.t.answered(b[2:])
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.s.config.WriteTimeout)); err != nil {
		return err
	}
	_, err := c.conn.Write(b)
	return err
}
