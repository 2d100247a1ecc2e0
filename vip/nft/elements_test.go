package nft

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"berth/vip/ruleset"
)

// The messages say what google/nftables would say.
func TestElementsAreWrittenAsTheLibraryDoes(t *testing.T) {
	want := sample()
	e := ruleset.Diff(nil, want).Add
	port := func(p uint16) []byte { return append(binary.BigEndian.AppendUint16(nil, p), 0, 0) }
	keyOf := func(k ruleset.Key) []byte {
		return slices.Concat(k.Addr.AsSlice(), []byte{byte(k.Proto), 0, 0, 0}, port(k.Port))
	}
	name := func(s string) []byte { return append([]byte(s), make([]byte, 16-len(s))...) }
	theirs, err := render(func(conn *nftables.Conn) error {
		put := func(set string, list ...nftables.SetElement) {
			if err := conn.SetAddElements(&nftables.Set{Name: set, Table: table()}, list); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range e.Slots {
			put("backends"+digit(s.Key.Addr), nftables.SetElement{Val: append(s.To.Addr().AsSlice(), port(s.To.Port())...),
				Key: binary.NativeEndian.AppendUint32(keyOf(s.Key), uint32(s.Index))})
		}
		for _, x := range e.Entries {
			put("services"+digit(x.Key.Addr), nftables.SetElement{Key: keyOf(x.Key),
				VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: x.Pick.String()}})
		}
		for _, a := range e.VIPs {
			put("vips"+digit(a), nftables.SetElement{Key: a.AsSlice()})
		}
		for _, p := range e.Ranges {
			put("ranges"+digit(p.Addr()), nftables.SetElement{Key: p.Addr().AsSlice()},
				nftables.SetElement{Key: lastAddr(p).Next().AsSlice(), IntervalEnd: true})
		}
		for _, a := range e.Hairpin {
			put("hairpin"+digit(a), nftables.SetElement{Key: append(a.AsSlice(), a.AsSlice()...)})
		}
		for _, l := range e.Links {
			key := name(l.Name)
			if l.Role == ruleset.SameL2 {
				key = append(key, key...)
			}
			put(string(l.Role), nftables.SetElement{Key: key})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(described(t, theirs), described(t, elementMessages(&e, true))); d != "" {
		t.Fatal(d)
	}
}

// described lists the elements of messages by set.
func described(t *testing.T, list []netlink.Message) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, m := range list {
		set := attributeText(m.Data, unix.NFTA_SET_ELEM_LIST_SET)
		if got := attributeText(m.Data, unix.NFTA_SET_ELEM_LIST_TABLE); got != ruleset.Table || set == "" {
			t.Fatalf("table %q, set %q", got, set)
		}
		err := elements(m.Data, func(e element) error {
			out[set] = append(out[set], fmt.Sprintf("%x : %x %s %v", e.key, e.value, e.chain, e.end))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestADeletionHoldsKeysOnly(t *testing.T) {
	e := ruleset.Diff(nil, sample()).Add
	for _, m := range elementMessages(&e, false) {
		if m.Header.Type&0xff != unix.NFT_MSG_DELSETELEM {
			t.Fatalf("message type %d", m.Header.Type)
		}
		if err := elements(m.Data, func(e element) error {
			if len(e.key) == 0 || e.value != nil || e.chain != nil {
				t.Errorf("got %+v", e)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// The length of an attribute is a number of 16 bits, and what goes beyond would be lost.
func TestMessagesStayWithinTheirLimit(t *testing.T) {
	e := ruleset.Diff(nil, large(5000, 3)).Add
	e.VIPs = append(e.VIPs, netip.MustParseAddr("1.1.1.1"))
	found := 0
	for _, m := range elementMessages(&e, true) {
		if len(m.Data) > messageSize+256 {
			t.Errorf("%d bytes", len(m.Data))
		}
		if err := elements(m.Data, func(element) error { found++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if want := e.Len() + len(e.Ranges); found != want { // a range is two elements
		t.Errorf("%d elements, want %d", found, want)
	}
}

// Whatever the kernel, or a program in its place, sends: no panic.
func FuzzElements(f *testing.F) {
	e := ruleset.Diff(nil, sample()).Add
	for _, m := range elementMessages(&e, true) {
		f.Add(m.Data)
	}
	f.Add([]byte{})
	f.Add([]byte{1, 0, 0, 0, 3, 0, 3, 0x80})
	f.Fuzz(func(_ *testing.T, data []byte) {
		_ = elements(data, func(e element) error {
			_, _ = decodeEntry(e)
			_, _ = decodeSlot(e)
			_, _ = decodeAddr(e)
			_, _ = decodePair(e)
			_, _ = decodeLink(ruleset.Uplink, e)
			return nil
		})
	})
}
