package route

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"

	"berth/vip/ruleset"
)

// Match decides about a tracked connection by what it was sent to and who answers it.
type Match func(key ruleset.Key, by netip.AddrPort) bool

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (m Match) MatchConntrackFlow(f *netlink.ConntrackFlow) bool {
	to, ok1 := netip.AddrFromSlice(f.Forward.DstIP)
	by, ok2 := netip.AddrFromSlice(f.Reverse.SrcIP)
	return ok1 && ok2 && m(ruleset.Key{Addr: to.Unmap(), Proto: ruleset.Proto(f.Forward.Protocol), Port: f.Forward.DstPort},
		netip.AddrPortFrom(by.Unmap(), f.Reverse.SrcPort))
}

var families = []netlink.InetFamily{netlink.FAMILY_V4, netlink.FAMILY_V6}

// Forget ends the tracked connections of the families that match: one pass over the table for each. It returns their number.
func Forget(match Match, v4, v6 bool) (int, error) {
	total := 0
	for _, f := range families {
		if f == netlink.FAMILY_V4 && !v4 || f == netlink.FAMILY_V6 && !v6 {
			continue
		}
		n, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, f, match)
		total += int(n)
		if err != nil && !errors.Is(err, syscall.ENOENT) {
			return total, fmt.Errorf("forget tracked connections: %w", explain(err))
		}
	}
	return total, nil
}

// Sessions counts the translated TCP connections that are not about to end, by what of says of each; "" does not count.
func Sessions(of func(ruleset.Key, netip.AddrPort) string) (map[string]int, error) {
	count := map[string]int{}
	match := Match(func(k ruleset.Key, by netip.AddrPort) bool {
		if name := of(k, by); k.Proto == ruleset.TCP && by.Addr() != k.Addr && name != "" {
			count[name]++
		}
		return false
	})
	for _, f := range families {
		list, err := netlink.ConntrackTableList(netlink.ConntrackTable, f)
		if err != nil {
			return nil, fmt.Errorf("list tracked connections: %w", explain(err))
		}
		for _, x := range list {
			if !ending(x) {
				match.MatchConntrackFlow(x)
			}
		}
	}
	return count, nil
}

// Busy reports which VIPs have translated TCP connections that are not about to end, and how many.
func Busy(vip func(netip.Addr) bool) (map[netip.Addr]int, error) {
	busy := map[netip.Addr]int{}
	_, err := Sessions(func(k ruleset.Key, by netip.AddrPort) string {
		if k.Proto == ruleset.TCP && by.Addr() != k.Addr && vip(k.Addr) {
			busy[k.Addr]++
		}
		return ""
	})
	return busy, err
}

// ending reports TCP connections that have been closed from either side.
func ending(f *netlink.ConntrackFlow) bool {
	const finWait = 4 // TCP_CONNTRACK_FIN_WAIT and what comes after it
	tcp, ok := f.ProtoInfo.(*netlink.ProtoInfoTCP)
	return ok && tcp != nil && tcp.State >= finWait
}
