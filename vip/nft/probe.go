package nft

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"berth/vip/ruleset"
)

// Probe loads the whole layout into a table that is deleted in the same transaction, so nothing of it is ever in force. If
// the kernel refuses it, the error names what is missing.
func (c *Conn) Probe() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	whole := feature{"", func(conn *nftables.Conn, t *nftables.Table) error {
		if err := layout(conn, t, ruleset.Layout{}); err != nil {
			return err
		}
		return nil
	}}
	err := c.probe(whole)
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("probe the kernel: %w", explain(err))
	}
	var missing []string
	for _, f := range features {
		if c.probe(f) != nil {
			missing = append(missing, f.name)
		}
	}
	if len(missing) == 0 {
		missing = append(missing, "something that works by itself but not together")
	}
	return fmt.Errorf("probe the kernel: it lacks %s: %w", strings.Join(missing, ", "), err)
}

func (c *Conn) probe(f feature) error {
	return c.commit(func(conn *nftables.Conn) error {
		t := &nftables.Table{Name: probeTable, Family: nftables.TableFamilyINet}
		remake(conn, t)
		if err := f.try(conn, t); err != nil {
			return err
		}
		conn.DelTable(t)
		return nil
	})
}

// probeTable is never in force.
const probeTable = "berth_vip_probe"

// feature is something the layout needs of the kernel.
type feature struct {
	name string
	try  func(conn *nftables.Conn, t *nftables.Table) error
}

// rule makes a feature of one rule in one base chain.
func rule(name string, kind nftables.ChainType, hook *nftables.ChainHook, list ...expr.Any) feature {
	return feature{name, func(conn *nftables.Conn, t *nftables.Table) error {
		ch := base(conn, t, "probe", kind, hook, natAfter)
		conn.AddRule(&nftables.Rule{Table: t, Chain: ch, Exprs: list})
		return nil
	}}
}

var features = []feature{
	rule("nat chains in family inet", nftables.ChainTypeNAT, nftables.ChainHookOutput),
	rule("masquerade", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, masquerade()),
	rule("numgen", nftables.ChainTypeFilter, nftables.ChainHookOutput,
		&expr.Numgen{Register: reg, Modulus: 2, Type: unix.NFT_NG_RANDOM}),
	rule("ct expressions", nftables.ChainTypeFilter, nftables.ChainHookOutput, &expr.Ct{Key: expr.CtKeySTATUS, Register: reg}),
	rule("reject in family inet", nftables.ChainTypeFilter, nftables.ChainHookOutput, refuseTCP()...),
	rule("reject before routing", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, refuseTCP()...),
	{"maps of concatenated keys with counters", func(conn *nftables.Conn, t *nftables.Table) error {
		for _, s := range sets(t) {
			if err := conn.AddSet(s, nil); err != nil {
				return err
			}
		}
		return nil
	}},
}
