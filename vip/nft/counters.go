package nft

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables"

	"berth/vip/ruleset"
)

// Counters are connections since an element was written, which is when its value changed last.
type Counters struct {
	Services map[ruleset.Key]uint64
	Backends map[Backend]uint64 // the slots of a backend added up
}

// Backend is one backend of one service.
type Backend struct {
	Key ruleset.Key
	To  netip.AddrPort
}

// Counters reads how many connections went to each service and backend. Reading costs in proportion to their number.
func (c *Conn) Counters() (Counters, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := Counters{map[ruleset.Key]uint64{}, map[Backend]uint64{}}
	err := c.do(func(conn *nftables.Conn) error {
		if err := exists(conn); err != nil {
			return err
		}
		for _, s := range sets(table()) {
			if err := out.read(conn, s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errMissing) {
		return Counters{}, fmt.Errorf("read counters: %w", explain(err))
	}
	return out, nil
}

func (c *Counters) read(conn *nftables.Conn, s *nftables.Set) error {
	if !s.Counter {
		return nil
	}
	list, err := conn.GetSetElements(s)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Counter == nil {
			continue
		}
		if s.DataType.Bytes == 0 {
			if x, err := decodeEntry(e); err == nil {
				c.Services[x.Key] += e.Counter.Packets
			}
			continue
		}
		if x, err := decodeSlot(e); err == nil {
			c.Backends[Backend{x.Key, x.To}] += e.Counter.Packets
		}
	}
	return nil
}
