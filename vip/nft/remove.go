package nft

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Retire replaces the table by a stub that translates nothing new and keeps the connections that are translated already: if
// ours is the namespace's only NAT, the kernel stops translating also those when its last user goes, and a chain without a
// rule that needs connection tracking is not a user.
func (c *Conn) Retire() error {
	return c.change("retire table", func(conn *nftables.Conn) {
		t := table()
		remake(conn, t)
		ch := base(conn, t, "drain", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, natBefore)
		conn.AddRule(&nftables.Rule{Table: t, Chain: ch, Exprs: []expr.Any{
			&expr.Ct{Key: expr.CtKeySTATE, Register: reg},
			&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: make([]byte, 4)},
			&expr.Verdict{Kind: expr.VerdictAccept},
		}})
	})
}

// Remove deletes the table, if there is one.
func (c *Conn) Remove() error {
	return c.change("remove table", func(conn *nftables.Conn) {
		conn.AddTable(table())
		conn.DelTable(table())
	})
}

func (c *Conn) change(what string, f func(*nftables.Conn)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.commit(func(conn *nftables.Conn) error {
		f(conn)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, explain(err))
	}
	return nil
}

// Exists reports whether there is a table of ours.
func (c *Conn) Exists() (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.do(exists)
	if errors.Is(err, errMissing) {
		return false, nil
	}
	return err == nil, err
}
