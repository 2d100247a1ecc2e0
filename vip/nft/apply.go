package nft

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"

	"berth/vip/ruleset"
)

// smallBatch is how many elements a batch has at most when the socket's buffer could not be enlarged.
const smallBatch = 1000

// Apply sends a batch as one transaction. Where the socket cannot carry it in one piece, as in a user namespace, it goes in
// several, each complete for the services it concerns.
func (c *Conn) Apply(b *ruleset.Batch) error {
	if b.Empty() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	pieces := []*ruleset.Batch{b}
	if c.small && b.Add.Len()+b.Del.Len() > smallBatch {
		pieces = b.Split(smallBatch)
	}
	for i, p := range pieces {
		if err := c.apply(p); err != nil {
			if i > 0 {
				return fmt.Errorf("%w: piece %d of %d: %w", ErrUncertain, i+1, len(pieces), err)
			}
			return err
		}
	}
	return nil
}

func (c *Conn) apply(b *ruleset.Batch) error {
	list, err := messages(table(), b)
	if err == nil {
		err = c.do(func(*nftables.Conn) error { return send(c.raw, list) })
	}
	switch {
	case err == nil:
		c.stats.Batches++
		c.stats.Elements += uint64(b.Add.Len() + b.Del.Len())
		return nil
	case errors.Is(err, ErrUncertain):
		c.stats.Uncertain++
		return fmt.Errorf("apply batch: %w", err)
	}
	c.stats.Failed++
	return fmt.Errorf("apply batch: %w", explain(err))
}

func table() *nftables.Table {
	return &nftables.Table{Name: ruleset.Table, Family: nftables.TableFamilyINet}
}

// messages are those of a batch, in its order.
func messages(t *nftables.Table, b *ruleset.Batch) ([]netlink.Message, error) {
	before, err := render(func(conn *nftables.Conn) error {
		if b.Create {
			remake(conn, t)
			if err := layout(conn, t, b.Layout); err != nil {
				return err
			}
		}
		for _, p := range b.AddPicks {
			ch := conn.AddChain(&nftables.Chain{Name: p.String(), Table: t})
			conn.AddRule(&nftables.Rule{Table: t, Chain: ch, Exprs: pick(p)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	after, err := render(func(conn *nftables.Conn) error {
		for _, p := range b.DelPicks {
			conn.DelChain(&nftables.Chain{Name: p.String(), Table: t})
		}
		return nil
	})
	return slices.Concat(before, elementMessages(&b.Del, false), elementMessages(&b.Add, true), after), err
}

// remake empties the way for a table, whether there is one or not.
func remake(conn *nftables.Conn, t *nftables.Table) {
	conn.AddTable(t)
	conn.DelTable(t)
	conn.AddTable(t)
}
