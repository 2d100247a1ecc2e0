package nft

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
)

// ErrUncertain means that the kernel's answer was lost: the batch may be in force or not.
var ErrUncertain = errors.New("the kernel's answer was lost; the batch may be in force")

const (
	// sendBuffer takes a first load of 44,000 services with three backends each in one message. Pages are used only while
	// a message is in it.
	sendBuffer = 96 << 20
	// receiveBuffer takes the acknowledgements of the same: one for each 500 elements.
	receiveBuffer = 8 << 20
	timeout       = 30 * time.Second
)

// Conn is the connection to the tables of the network namespace it was opened in. Its methods may be called from several
// goroutines; they wait for each other.
type Conn struct {
	mu    sync.Mutex
	nft   *nftables.Conn
	raw   *netlink.Conn
	small bool // the kernel did not grant the buffers, as in a user namespace
	stats Stats

	countMu sync.Mutex
	count   *netlink.Conn // for counters alone, so that reading many holds up no change; nil until they are asked for
}

// Stats count what happened on a Conn.
type Stats struct {
	Batches   uint64 // transactions the kernel accepted
	Failed    uint64 // that it refused
	Uncertain uint64
	Elements  uint64 // added or deleted
}

// Open connects. It does not touch any table.
func Open() (*Conn, error) {
	c := &Conn{}
	if err := c.dial(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Conn) dial() error {
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(raw *netlink.Conn) error {
		c.raw = raw
		if err := raw.SetOption(netlink.CapAcknowledge, true); err != nil {
			return err
		}
		return errors.Join(raw.SetReadBuffer(receiveBuffer), raw.SetWriteBuffer(sendBuffer))
	}))
	if err != nil {
		return fmt.Errorf("connect to nftables: %w", explain(err))
	}
	c.nft, c.small = conn, writeBuffer(c.raw) < sendBuffer
	return nil
}

// writeBuffer is the size the kernel granted, in bytes; it tells twice what was asked for.
func writeBuffer(raw *netlink.Conn) int {
	sc, err := raw.SyscallConn()
	if err != nil {
		return 0
	}
	size := 0
	_ = sc.Control(func(fd uintptr) {
		size, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
	})
	return size / 2
}

// Close ends the connection; the table stays.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.countMu.Lock()
	defer c.countMu.Unlock()
	c.stopCounting()
	if c.nft == nil {
		return nil
	}
	err := c.nft.CloseLasting()
	c.nft = nil
	return err
}

// Stats returns the counts so far.
func (c *Conn) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// commit sends what f queues as one transaction.
func (c *Conn) commit(f func(*nftables.Conn) error) error {
	list, err := render(f)
	if err != nil {
		return err
	}
	return c.do(func(*nftables.Conn) error { return send(c.raw, list) })
}

// do runs f on a connection in order. After an error answers may be left unread, so the connection is replaced.
func (c *Conn) do(f func(*nftables.Conn) error) error {
	if c.nft == nil {
		if err := c.dial(); err != nil {
			return err
		}
	}
	if err := c.raw.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	err := f(c.nft)
	if err != nil && !errors.Is(err, errMissing) {
		_ = c.nft.CloseLasting()
		c.nft = nil
	}
	return err
}

// explain makes plain what a missing privilege or feature looks like.
func explain(err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: CAP_NET_ADMIN is needed in this network namespace", err)
	case errors.Is(err, syscall.EPROTONOSUPPORT), errors.Is(err, syscall.EAFNOSUPPORT):
		return fmt.Errorf("%w: this kernel has no nftables", err)
	}
	return err
}
