package nft

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"

	"berth/vip/ruleset"
)

// errMissing means that there is no table.
var errMissing = errors.New("no table")

// Read returns what the table holds, or nil when there is none. A table that is not as vip makes it (another version's, or
// one that somebody changed by hand) is reported as nil as well, with what is odd about it: it has to be made anew.
func (c *Conn) Read() (r *ruleset.Ruleset, odd []string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range readTries {
		if r, odd, err = c.readOnce(); !errors.Is(err, ErrInterrupted) {
			break
		}
	}
	switch {
	case errors.Is(err, errMissing):
		return nil, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("read table: %w", explain(err))
	case len(odd) > 0:
		return nil, odd, nil
	}
	return r, nil, nil
}

// readTries is how often reading begins anew because somebody changes the table meanwhile.
const readTries = 5

func (c *Conn) readOnce() (r *ruleset.Ruleset, odd []string, err error) {
	err = c.do(func(conn *nftables.Conn) error {
		var contents ruleset.Contents
		if contents, odd, err = read(conn, c.raw); err != nil {
			return err
		}
		var more []string
		r, more = contents.Ruleset()
		odd = append(odd, more...)
		return nil
	})
	return r, odd, err
}

func read(conn *nftables.Conn, raw *netlink.Conn) (c ruleset.Contents, odd []string, err error) {
	if err := exists(conn); err != nil {
		return c, nil, err
	}
	if c.Layout, c.Picks, odd, err = readChains(conn, raw); err != nil || len(odd) > 0 {
		return c, odd, err
	}
	for _, s := range sets(table()) {
		err := collect(&c, raw, s.Name)
		switch {
		case errors.Is(err, syscall.ENOENT):
			odd = append(odd, "set "+s.Name+" is missing")
		case errors.Is(err, errShape):
			odd = append(odd, fmt.Sprintf("set %s: %v", s.Name, err))
		case err != nil:
			return c, nil, err
		}
	}
	return c, odd, nil
}

func exists(conn *nftables.Conn) error {
	list, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return err
	}
	for _, t := range list {
		if t.Name == ruleset.Table {
			return nil
		}
	}
	return errMissing
}

// readChains checks the constant part by the names of chains and their numbers of rules.
func readChains(conn *nftables.Conn, raw *netlink.Conn) (l ruleset.Layout, picks []ruleset.Pick, odd []string,
	err error) {
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return l, nil, nil, err
	}
	count, err := countRules(raw)
	if err != nil {
		return l, nil, nil, err
	}
	have := map[string]*nftables.Chain{}
	for _, ch := range chains {
		if ch.Table.Name == ruleset.Table {
			have[ch.Name] = ch
		}
	}
	for _, l.MasqueradeAll = range []bool{true, false} {
		if have[l.Marker()] != nil {
			break
		}
	}
	rules := map[string]int{l.Marker(): 0}
	for name, n := range constant {
		rules[name] = n
	}
	for _, p := range ruleset.ConstantPicks() {
		rules[p.String()] = 1
	}
	if l.MasqueradeAll {
		rules["masq"]++
	}
	for name := range rules {
		if have[name] == nil {
			odd = append(odd, "chain "+name+" is missing")
		}
	}
	for name := range have {
		want, ok := rules[name]
		if !ok {
			p, err := decodePick(name)
			if err != nil || !strings.HasPrefix(name, "pick") {
				odd = append(odd, "chain "+name+" is unknown")
				continue
			}
			picks, want = append(picks, p), 1
		}
		if count[name] != want {
			odd = append(odd, fmt.Sprintf("chain %s has %d rules instead of %d", name, count[name], want))
		}
	}
	return l, picks, odd, nil
}

// collect puts the elements of a set where they belong.
func collect(c *ruleset.Contents, raw *netlink.Conn, set string) error {
	switch strings.TrimRight(set, v4.digit+v6.digit) {
	case "services":
		return appendAll(raw, set, &c.Entries, decodeEntry)
	case "backends":
		return appendAll(raw, set, &c.Slots, decodeSlot)
	case "vips":
		return appendAll(raw, set, &c.VIPs, decodeAddr)
	case "hairpin":
		return appendAll(raw, set, &c.Hairpin, decodePair)
	case "ranges":
		var marks []mark
		if err := appendAll(raw, set, &marks, decodeMark); err != nil {
			return err
		}
		more, err := decodeRanges(marks)
		c.Ranges = append(c.Ranges, more...)
		return err
	default:
		role := ruleset.Role(set)
		return appendAll(raw, set, &c.Links, func(e element) (ruleset.Link, error) { return decodeLink(role, e) })
	}
}

func appendAll[T any](raw *netlink.Conn, set string, to *[]T, decode func(element) (T, error)) error {
	return dump(raw, set, func(e element) error {
		v, err := decode(e)
		if err == nil {
			*to = append(*to, v)
		}
		return err
	})
}
