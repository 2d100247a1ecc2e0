package ruleset

import (
	"fmt"
	"strings"
)

// String is the whole table in nft's syntax. It replaces one that exists when it is loaded by "nft -f".
func (r *Ruleset) String() string { return Diff(nil, r).String() }

// writeTable writes the constant part. vip/nft makes the same one through netlink; a test compares the two.
func writeTable(w *strings.Builder, l Layout) {
	fmt.Fprintf(w, "table inet %s {\n", Table)
	for _, f := range []struct{ digit, addr, ip string }{{"4", "ipv4_addr", "ip"}, {"6", "ipv6_addr", "ip6"}} {
		fmt.Fprintf(w, `	map services%[1]s {
		type %[2]s . inet_proto . inet_service : verdict
		counter
	}
	map backends%[1]s {
		typeof %[3]s daddr . meta l4proto . th dport . numgen random mod 65536 : %[3]s daddr . th dport
		counter
	}
	set vips%[1]s {
		type %[2]s
	}
	set ranges%[1]s {
		type %[2]s
		flags interval
	}
	set hairpin%[1]s {
		type %[2]s . %[2]s
	}
`, f.digit, f.addr, f.ip)
	}
	fmt.Fprintf(w, `	set uplinks {
		type ifname
	}
	set samel2 {
		type ifname . ifname
	}
	set hairpinports {
		type ifname
	}
	chain %s {
	}
	chain refused {
		meta l4proto tcp reject with tcp reset
		reject with icmpx port-unreachable
	}
`, l.Marker())
	for _, p := range ConstantPicks() {
		fmt.Fprintf(w, "\tchain %s {\n\t\t%s\n\t}\n", p, pickRule(p))
	}
	w.WriteString(`	chain translate {
		ip daddr . meta l4proto . th dport vmap @services4
		ip6 daddr . meta l4proto . th dport vmap @services6
	}
	chain guard {
		ip daddr @ranges4 goto refused
		ip daddr @vips4 goto refused
		ip6 daddr @ranges6 goto refused
		ip6 daddr @vips6 goto refused
	}
	chain masq {
`)
	if l.MasqueradeAll {
		w.WriteString("\t\tmasquerade fully-random\n")
	}
	w.WriteString(`		ip saddr . ip daddr @hairpin4 masquerade fully-random
		ip6 saddr . ip6 daddr @hairpin6 masquerade fully-random
		iifname . oifname @samel2 masquerade fully-random
	}
	chain nat-prerouting {
		type nat hook prerouting priority -110; policy accept;
		iifname @uplinks return
		goto translate
	}
	chain nat-output {
		type nat hook output priority -110; policy accept;
		goto translate
	}
	chain nat-postrouting {
		type nat hook postrouting priority 90; policy accept;
		meta nfproto ipv4 ct status dnat ct original ip daddr @ranges4 goto masq
		meta nfproto ipv4 ct status dnat ct original ip daddr @vips4 goto masq
		meta nfproto ipv6 ct status dnat ct original ip6 daddr @ranges6 goto masq
		meta nfproto ipv6 ct status dnat ct original ip6 daddr @vips6 goto masq
	}
	chain filter-input {
		type filter hook input priority -10; policy accept;
		goto guard
	}
	chain filter-forward {
		type filter hook forward priority -10; policy accept;
		goto guard
	}
	chain filter-output {
		type filter hook output priority -10; policy accept;
		goto guard
	}
}
`)
}

// pickRule is the one rule of a pick chain.
func pickRule(p Pick) string {
	ip, d := "ip", digit(p.V6)
	if p.V6 {
		ip = "ip6"
	}
	return fmt.Sprintf("dnat %s to %s daddr . meta l4proto . th dport . numgen random mod %d map @backends%s", ip, ip, p.Slots, d)
}
