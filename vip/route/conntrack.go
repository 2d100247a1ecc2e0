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

// Busy counts, by the address they were sent to, the translated TCP connections that are not about to end.
func Busy(vip func(netip.Addr) bool) (map[netip.Addr]int, error) {
	match := Match(func(k ruleset.Key, by netip.AddrPort) bool {
		return k.Proto == ruleset.TCP && by.Addr() != k.Addr && vip(k.Addr)
	})
	busy := map[netip.Addr]int{}
	for _, f := range families {
		list, err := netlink.ConntrackTableList(netlink.ConntrackTable, f)
		if err != nil {
			return nil, fmt.Errorf("list tracked connections: %w", explain(err))
		}
		for _, x := range list {
			if a, ok := netip.AddrFromSlice(x.Forward.DstIP); ok && match.MatchConntrackFlow(x) && !ending(x) {
				busy[a.Unmap()]++
			}
		}
	}
	return busy, nil
}

// ending reports TCP connections that have been closed from either side.
func ending(f *netlink.ConntrackFlow) bool {
	const finWait = 4 // TCP_CONNTRACK_FIN_WAIT and what comes after it
	tcp, ok := f.ProtoInfo.(*netlink.ProtoInfoTCP)
	return ok && tcp != nil && tcp.State >= finWait
}
