package forward

import (
	"bufio"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// maxSystem is how many name servers of a resolver file count.
const maxSystem = 8

// ParseResolvConf returns the name servers of a resolv.conf(5), without repeats and without own: the addresses at which we
// can be asked. A line that cannot be read is passed over, as the system's resolver does.
func ParseResolvConf(r io.Reader, own []netip.AddrPort) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		fields := strings.Fields(sc.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		a, err := ParseResolver(fields[1])
		if err != nil || slices.Contains(out, a) || isOwn(a, own) || len(out) == maxSystem {
			continue
		}
		out = append(out, a)
	}
	return out, sc.Err()
}

// isOwn reports whether a is one of own; an unspecified address there stands for every address of this machine that own
// lists with it.
func isOwn(a netip.AddrPort, own []netip.AddrPort) bool {
	return slices.ContainsFunc(own, func(o netip.AddrPort) bool {
		if o.Port() != a.Port() {
			return false
		}
		return o.Addr() == a.Addr() || o.Addr().IsUnspecified() && (a.Addr().IsLoopback() || a.Addr().IsUnspecified())
	})
}
