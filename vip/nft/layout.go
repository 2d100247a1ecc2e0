package nft

import (
	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"berth/vip/ruleset"
)

// Chains of the constant part besides the picks, with the number of rules each has.
var constant = map[string]int{
	"refused": 2, "translate": 2, "guard": 4, "masq": 3, "nat-prerouting": 2, "nat-output": 1, "nat-postrouting": 4,
	"filter-input": 1, "filter-forward": 1, "filter-output": 1,
}

// Priorities: before the engines' destination NAT at -100 and source NAT at 100, and before filters at 0.
const (
	natBefore    = -110
	natAfter     = 90
	filterBefore = -10
)

// layout makes the constant part of the table, as ruleset's text describes it.
func layout(c *nftables.Conn, t *nftables.Table, l ruleset.Layout) error {
	for _, s := range sets(t) {
		if err := c.AddSet(s, nil); err != nil {
			return err
		}
	}
	c.AddChain(&nftables.Chain{Name: l.Marker(), Table: t})
	plain := func(name string) *nftables.Chain { return c.AddChain(&nftables.Chain{Name: name, Table: t}) }
	rules := func(ch *nftables.Chain, list ...[]expr.Any) {
		for _, r := range list {
			c.AddRule(&nftables.Rule{Table: t, Chain: ch, Exprs: r})
		}
	}
	rules(plain("refused"), refuseTCP(), []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH,
		Code: unix.NFT_REJECT_ICMPX_PORT_UNREACH}})
	for _, p := range ruleset.ConstantPicks() {
		rules(plain(p.String()), pick(p))
	}
	rules(plain("translate"), translate(v4), translate(v6))
	rules(plain("guard"), guard(v4, "ranges"), guard(v4, "vips"), guard(v6, "ranges"), guard(v6, "vips"))
	masq := plain("masq")
	if l.MasqueradeAll {
		rules(masq, []expr.Any{masquerade()})
	}
	rules(masq, hairpin(v4), hairpin(v6), sameL2())
	rules(base(c, t, "nat-prerouting", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, natBefore),
		fromUplink(), to("translate"))
	rules(base(c, t, "nat-output", nftables.ChainTypeNAT, nftables.ChainHookOutput, natBefore), to("translate"))
	rules(base(c, t, "nat-postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, natAfter),
		ours(v4, "ranges"), ours(v4, "vips"), ours(v6, "ranges"), ours(v6, "vips"))
	filter := func(name string, hook *nftables.ChainHook) {
		rules(base(c, t, name, nftables.ChainTypeFilter, hook, filterBefore), to("guard"))
	}
	filter("filter-input", nftables.ChainHookInput)
	filter("filter-forward", nftables.ChainHookForward)
	filter("filter-output", nftables.ChainHookOutput)
	return nil
}

func base(c *nftables.Conn, t *nftables.Table, name string, kind nftables.ChainType, hook *nftables.ChainHook,
	priority int32) *nftables.Chain {
	policy := nftables.ChainPolicyAccept
	return c.AddChain(&nftables.Chain{Name: name, Table: t, Type: kind, Hooknum: hook,
		Priority: nftables.ChainPriorityRef(nftables.ChainPriority(priority)), Policy: &policy})
}

// family holds what differs between IPv4 and IPv6. Registers are of 4 bytes, from NFT_REG32_00 = 8 on.
type family struct {
	digit  string
	proto  byte   // NFPROTO
	offset uint32 // of the destination in the IP header
	size   uint32 // of an address
	addr   nftables.SetDatatype
}

var (
	v4 = family{"4", unix.NFPROTO_IPV4, 16, 4, nftables.TypeIPAddr}
	v6 = family{"6", unix.NFPROTO_IPV6, 24, 16, nftables.TypeIP6Addr}
)

const reg = 8

// after is the register behind an address in the first one.
func (f family) after() uint32 { return reg + f.size/4 }

// sets declares all maps and sets.
func sets(t *nftables.Table) []*nftables.Set {
	var list []*nftables.Set
	for _, f := range []family{v4, v6} {
		service := []nftables.SetDatatype{f.addr, nftables.TypeInetProto, nftables.TypeInetService}
		list = append(list,
			&nftables.Set{Table: t, Name: "services" + f.digit, IsMap: true, Concatenation: true, Counter: true,
				KeyType: nftables.MustConcatSetType(service...), DataType: nftables.TypeVerdict},
			&nftables.Set{Table: t, Name: "backends" + f.digit, IsMap: true, Concatenation: true, Counter: true,
				KeyType:  nftables.MustConcatSetType(append(service, nftables.TypeMark)...),
				DataType: nftables.MustConcatSetType(f.addr, nftables.TypeInetService)},
			&nftables.Set{Table: t, Name: "vips" + f.digit, KeyType: f.addr},
			&nftables.Set{Table: t, Name: "ranges" + f.digit, KeyType: f.addr, Interval: true},
			&nftables.Set{Table: t, Name: "hairpin" + f.digit, Concatenation: true,
				KeyType: nftables.MustConcatSetType(f.addr, f.addr)})
	}
	return append(list,
		&nftables.Set{Table: t, Name: string(ruleset.Uplink), KeyType: nftables.TypeIFName,
			KeyByteOrder: binaryutil.NativeEndian},
		&nftables.Set{Table: t, Name: string(ruleset.SameL2), Concatenation: true,
			KeyType: nftables.MustConcatSetType(nftables.TypeIFName, nftables.TypeIFName)},
		&nftables.Set{Table: t, Name: string(ruleset.HairpinPort), KeyType: nftables.TypeIFName,
			KeyByteOrder: binaryutil.NativeEndian})
}

func (f family) is() []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{f.proto}}}
}

func (f family) daddr() expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: f.offset, Len: f.size}
}

func (f family) saddr() expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: f.offset - f.size, Len: f.size}
}

// key loads address, protocol and port of the destination into consecutive registers.
func (f family) key() []expr.Any {
	return append(f.is(), f.daddr(), &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: f.after()},
		&expr.Payload{DestRegister: f.after() + 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2})
}

func lookup(set string) expr.Any { return &expr.Lookup{SourceRegister: reg, SetName: set} }

func to(chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: chain}}
}

func translate(f family) []expr.Any {
	return append(f.key(), &expr.Lookup{SourceRegister: reg, SetName: "services" + f.digit, DestRegister: unix.NFT_REG_VERDICT,
		IsDestRegSet: true})
}

func guard(f family, set string) []expr.Any {
	return append(append(f.is(), f.daddr(), lookup(set+f.digit)), to("refused")...)
}

func refuseTCP() []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}
}

func masquerade() expr.Any { return &expr.Masq{FullyRandom: true} }

func hairpin(f family) []expr.Any {
	destination := f.daddr().(*expr.Payload)
	destination.DestRegister = f.after()
	return append(f.is(), f.saddr(), destination, lookup("hairpin"+f.digit), masquerade())
}

func sameL2() []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg}, &expr.Meta{Key: expr.MetaKeyOIFNAME, Register: reg + 4},
		lookup(string(ruleset.SameL2)), masquerade()}
}

func fromUplink() []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg}, lookup(string(ruleset.Uplink)),
		&expr.Verdict{Kind: expr.VerdictReturn}}
}

// ours finds translated connections by connection tracking: no packet marks, which others use too.
func ours(f family, set string) []expr.Any {
	const statusDNAT = 1 << 5 // IPS_DST_NAT
	list := append(f.is(),
		&expr.Ct{Key: expr.CtKeySTATUS, Register: reg},
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(statusDNAT),
			Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: make([]byte, 4)},
		&expr.Ct{Key: expr.CtKeyDST, Register: reg}, // of the original direction; see originalAddress
		lookup(set+f.digit))
	return append(list, to("masq")...)
}

// pick is the rule that chooses a slot and translates.
func pick(p ruleset.Pick) []expr.Any {
	f := v4
	if p.V6 {
		f = v6
	}
	return append(f.key(),
		&expr.Numgen{Register: f.after() + 2, Modulus: uint32(p.Slots), Type: unix.NFT_NG_RANDOM},
		&expr.Lookup{SourceRegister: reg, DestRegister: reg, IsDestRegSet: true, SetName: "backends" + f.digit},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(f.proto), RegAddrMin: reg, RegProtoMin: f.after()})
}
