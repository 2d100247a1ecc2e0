package vipns

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxOpen bounds the connections that are carried at one time.
	maxOpen = 1024
	// maxTarget bounds the line that asks for a connection, in bytes: an IPv6 address, a port and the line break.
	maxTarget   = 64
	askTimeout  = 5 * time.Second
	dialTimeout = 5 * time.Second
)

// Gate carries connections from the namespace to this machine: each on the listener asks with one line, "127.0.0.1:31005",
// is answered with one, "ok" or the reason, and is that connection from then on. Whoever can open the listener's socket can
// reach all TCP addresses that this machine reaches, so the socket belongs into a directory that is closed to others.
type Gate struct {
	Log *slog.Logger // nil discards
}

// Serve carries until ctx ends, and then closes what is open.
func (g *Gate) Serve(ctx context.Context, l net.Listener) error {
	log := g.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return accept(ctx, l, func(ctx context.Context, c net.Conn) error {
		to, err := readTarget(c)
		if err != nil {
			return err
		}
		far, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", to.String())
		if err != nil {
			log.Debug("not carried", "to", to.String(), "err", err)
			_, _ = io.WriteString(c, err.Error()+"\n")
			return nil
		}
		defer far.Close()
		if _, err := io.WriteString(c, "ok\n"); err != nil {
			return err
		}
		return splice(ctx, c, far)
	})
}

// readTarget reads the line byte by byte: what follows it belongs to the connection.
func readTarget(c net.Conn) (netip.AddrPort, error) {
	_ = c.SetReadDeadline(time.Now().Add(askTimeout))
	line, err := bufio.NewReaderSize(io.LimitReader(oneByte{c}, maxTarget), 16).ReadString('\n')
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("read target: %w", err)
	}
	_ = c.SetReadDeadline(time.Time{})
	to, err := netip.ParseAddrPort(line[:len(line)-1])
	if err != nil {
		return to, fmt.Errorf("target: %w", err)
	}
	return to, nil
}

// oneByte reads one byte at a time.
type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }

// through asks the gate at a unix socket for a connection to an address.
func through(ctx context.Context, socket string, to netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout+dialTimeout)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	deadline, _ := ctx.Deadline()
	_ = c.SetDeadline(deadline)
	if _, err := fmt.Fprintf(c, "%s\n", to); err != nil {
		c.Close()
		return nil, fmt.Errorf("gate: %w", err)
	}
	const maxReason = 300
	line, err := bufio.NewReaderSize(io.LimitReader(oneByte{c}, maxReason), 16).ReadString('\n')
	switch {
	case err != nil:
		c.Close()
		return nil, fmt.Errorf("gate: %w", err)
	case line != "ok\n":
		c.Close()
		return nil, fmt.Errorf("gate: %s", line[:len(line)-1])
	}
	_ = c.SetDeadline(time.Time{})
	return c, nil
}

// accept serves each connection in a goroutine, at most maxOpen, until ctx ends or the listener is closed.
func accept(ctx context.Context, l net.Listener, serve func(context.Context, net.Conn) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	slots := make(chan struct{}, maxOpen)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				group.Wait() // what is open may end by itself
				return nil
			}
			return fmt.Errorf("accept: %w", err)
		}
		group.Go(func() {
			defer func() { <-slots }()
			defer c.Close()
			_ = serve(ctx, c) // the peer sees the end; there is nobody else to tell
		})
	}
}

// splice copies both ways, passes the end of either direction on, and returns when both have ended or ctx has.
func splice(ctx context.Context, a, b net.Conn) error {
	stop := context.AfterFunc(ctx, func() {
		_ = a.SetDeadline(time.Unix(1, 0))
		_ = b.SetDeadline(time.Unix(1, 0))
	})
	defer stop()
	one := func(to, from net.Conn) error {
		_, err := io.Copy(to, from)
		if c, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
			return c.CloseWrite()
		}
		_ = to.SetDeadline(time.Unix(1, 0)) // the other direction is broken too
		_ = from.SetDeadline(time.Unix(1, 0))
		return err
	}
	done := make(chan error, 1)
	go func() { done <- one(a, b) }()
	err := one(b, a)
	return errors.Join(err, <-done)
}
