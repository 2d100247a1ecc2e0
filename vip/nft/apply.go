package nft

import (
	"errors"
	"fmt"

	"github.com/google/nftables"

	"berth/vip/ruleset"
)

// chunk is how many elements go into one message of a batch. A netlink attribute has at most 64 KiB, and google/nftables
// v0.3.0 silently drops what goes beyond.
const chunk = 500

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
	err := c.commit(func(conn *nftables.Conn) error { return queue(conn, table(), b) })
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

// queue puts the messages of a batch into conn.
func queue(conn *nftables.Conn, t *nftables.Table, b *ruleset.Batch) error {
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
	known := map[string]*nftables.Set{}
	for _, s := range sets(t) {
		known[s.Name] = s
	}
	// Entries refer to chains, so they go before the slots when something is deleted; within the transaction the order
	// matters to nothing else.
	for _, e := range encode(&b.Del, false) {
		if err := inChunks(e.list, func(l []nftables.SetElement) error { return conn.SetDeleteElements(known[e.set], l) }); err != nil {
			return err
		}
	}
	for _, e := range encode(&b.Add, true) {
		if err := inChunks(e.list, func(l []nftables.SetElement) error { return conn.SetAddElements(known[e.set], l) }); err != nil {
			return err
		}
	}
	for _, p := range b.DelPicks {
		conn.DelChain(&nftables.Chain{Name: p.String(), Table: t})
	}
	return nil
}

// remake empties the way for a table, whether there is one or not.
func remake(conn *nftables.Conn, t *nftables.Table) {
	conn.AddTable(t)
	conn.DelTable(t)
	conn.AddTable(t)
}

func inChunks(list []nftables.SetElement, f func([]nftables.SetElement) error) error {
	for len(list) > 0 {
		n := min(chunk, len(list))
		if err := f(list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}
