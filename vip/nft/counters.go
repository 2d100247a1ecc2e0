package nft

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"berth/vip/ruleset"
)

// Counters are connections since an element was written, which is when its value changed last.
type Counters struct {
	Services map[ruleset.Key]uint64
	Slots    map[ruleset.Slot]uint64
}

// Counters reads how many connections went to each service and backend. Reading costs in proportion to their number, and
// where there are many more than that. It holds up no change.
func (c *Conn) Counters() (Counters, error) {
	c.countMu.Lock()
	defer c.countMu.Unlock()
	if err := c.startCounting(); err != nil {
		return Counters{}, err
	}
	for range readTries {
		out, err := readCounters(c.count)
		switch {
		case err == nil, errors.Is(err, syscall.ENOENT): // no table
			return out, nil
		case !errors.Is(err, ErrInterrupted):
			c.stopCounting()
			return Counters{}, fmt.Errorf("read counters: %w", explain(err))
		}
	}
	return Counters{}, fmt.Errorf("read counters: %w", ErrInterrupted)
}

// startCounting is called with countMu held, as stopCounting is.
func (c *Conn) startCounting() (err error) {
	if c.count == nil {
		if c.count, err = netlink.Dial(unix.NETLINK_NETFILTER, nil); err != nil {
			return fmt.Errorf("connect to nftables: %w", explain(err))
		}
	}
	return c.count.SetDeadline(time.Now().Add(timeout))
}

func (c *Conn) stopCounting() {
	if c.count != nil {
		_ = c.count.Close()
		c.count = nil
	}
}

func readCounters(raw *netlink.Conn) (Counters, error) {
	out := Counters{map[ruleset.Key]uint64{}, map[ruleset.Slot]uint64{}}
	for _, f := range []family{v4, v6} {
		err := dump(raw, "services"+f.digit, func(e element) error {
			x, err := decodeEntry(e)
			out.Services[x.Key] += e.packets
			return err
		})
		if err != nil {
			return out, err
		}
		err = dump(raw, "backends"+f.digit, func(e element) error {
			x, err := decodeSlot(e)
			out.Slots[x] += e.packets
			return err
		})
		if err != nil {
			return out, err
		}
	}
	return out, nil
}
