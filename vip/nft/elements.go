package nft

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"berth/vip/ruleset"
)

// elementMessages are those that add or delete elements. google/nftables could make them too (a test compares), but takes
// ten allocations for each element, and a first load has 176,000.
//
//	nfgenmsg  TABLE  SET  ELEMENTS { LIST_ELEM { FLAGS  KEY { VALUE }  DATA { VALUE | VERDICT { CODE CHAIN } } } ... }
//
// Values are left out for a deletion: the kernel finds an element by its key.
func elementMessages(e *ruleset.Elements, add bool) []netlink.Message {
	w := elementWriter{kind: unix.NFT_MSG_DELSETELEM, values: add}
	if add {
		w.kind = unix.NFT_MSG_NEWSETELEM
	}
	// Within the transaction the order matters to nothing but messages of one set.
	for _, s := range e.Slots {
		w.in("backends" + digit(s.Key.Addr)).slot(s)
	}
	for _, x := range e.Entries {
		w.in("services" + digit(x.Key.Addr)).entry(x)
	}
	for _, a := range e.VIPs {
		w.in("vips" + digit(a)).plain(a.AsSlice())
	}
	for _, p := range e.Ranges {
		set := w.in("ranges" + digit(p.Addr()))
		set.plain(p.Addr().AsSlice())
		set.intervalEnd(lastAddr(p).Next().AsSlice())
	}
	for _, a := range e.Hairpin {
		w.in("hairpin" + digit(a)).plain(append(a.AsSlice(), a.AsSlice()...))
	}
	for _, l := range e.Links {
		key := nameBytes(l.Name)
		if l.Role == ruleset.SameL2 {
			key = append(key, key...)
		}
		w.in(string(l.Role)).plain(key)
	}
	return w.messages()
}

// elementWriter collects messages by set, in the order in which sets are met first.
type elementWriter struct {
	kind   uint16
	values bool
	sets   []*setWriter
}

func (w *elementWriter) in(set string) *setWriter {
	for _, s := range w.sets {
		if s.set == set {
			return s.fresh()
		}
	}
	s := &setWriter{elementWriter: w, set: set}
	w.sets = append(w.sets, s)
	s.begin()
	return s
}

func (w *elementWriter) messages() (list []netlink.Message) {
	for _, s := range w.sets {
		s.end()
		for _, data := range s.done {
			list = append(list, netlink.Message{Header: netlink.Header{
				Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | w.kind),
				Flags: netlink.Request | netlink.Create}, Data: data})
		}
	}
	return list
}

// messageSize is about how many bytes a message takes: the length of a netlink attribute, here of the list of elements, is
// a number of 16 bits.
const messageSize = 48 << 10

// setWriter writes messages of one set.
type setWriter struct {
	*elementWriter
	set  string
	b    []byte // the message being written
	list int    // where its list of elements begins
	done [][]byte
}

func (s *setWriter) begin() {
	s.b = append(make([]byte, 0, messageSize+1024), byte(nftables.TableFamilyINet), unix.NFNETLINK_V0, 0, 0)
	s.text(unix.NFTA_SET_ELEM_LIST_TABLE, ruleset.Table)
	s.text(unix.NFTA_SET_ELEM_LIST_SET, s.set)
	s.list = s.open(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
}

func (s *setWriter) end() {
	s.close(s.list)
	s.done = append(s.done, s.b)
}

// fresh begins another message when this one is full.
func (s *setWriter) fresh() *setWriter {
	if len(s.b) >= messageSize {
		s.end()
		s.begin()
	}
	return s
}

// header begins an attribute with so many bytes of data.
func (s *setWriter) header(data int, kind uint16) {
	s.b = binary.NativeEndian.AppendUint16(s.b, uint16(unix.NLA_HDRLEN+data))
	s.b = binary.NativeEndian.AppendUint16(s.b, kind)
}

// open begins a nested attribute, which close ends.
func (s *setWriter) open(kind uint16) int {
	at := len(s.b)
	s.header(0, kind|unix.NLA_F_NESTED)
	return at
}

func (s *setWriter) close(at int) {
	binary.NativeEndian.PutUint16(s.b[at:], uint16(len(s.b)-at))
	s.pad()
}

func (s *setWriter) pad() {
	for len(s.b)%unix.NLA_ALIGNTO != 0 {
		s.b = append(s.b, 0)
	}
}

func (s *setWriter) text(kind uint16, text string) {
	s.header(len(text)+1, kind)
	s.b = append(append(s.b, text...), 0)
	s.pad()
}

func (s *setWriter) number(kind uint16, n uint32) {
	s.header(4, kind)
	s.b = binary.BigEndian.AppendUint32(s.b, n)
}

func (s *setWriter) plain(key []byte) {
	element := s.open(unix.NFTA_LIST_ELEM)
	s.key(func() { s.b = append(s.b, key...) })
	s.close(element)
}

func (s *setWriter) intervalEnd(key []byte) {
	element := s.open(unix.NFTA_LIST_ELEM)
	s.number(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
	s.key(func() { s.b = append(s.b, key...) })
	s.close(element)
}

func (s *setWriter) key(write func()) { s.value(unix.NFTA_SET_ELEM_KEY, write) }

// value writes a key or a data attribute around what write appends.
func (s *setWriter) value(kind uint16, write func()) {
	outer := s.open(kind)
	inner := len(s.b)
	s.header(0, unix.NFTA_DATA_VALUE)
	write()
	s.close(inner)
	s.close(outer)
}

func (s *setWriter) slot(x ruleset.Slot) {
	element := s.open(unix.NFTA_LIST_ELEM)
	s.key(func() { s.b = binary.NativeEndian.AppendUint32(appendKey(s.b, x.Key), uint32(x.Index)) })
	if s.values {
		s.value(unix.NFTA_SET_ELEM_DATA, func() { s.b = appendPort(appendAddr(s.b, x.To.Addr()), x.To.Port()) })
	}
	s.close(element)
}

func (s *setWriter) entry(x ruleset.Entry) {
	element := s.open(unix.NFTA_LIST_ELEM)
	s.key(func() { s.b = appendKey(s.b, x.Key) })
	if s.values {
		data := s.open(unix.NFTA_SET_ELEM_DATA)
		verdict := s.open(unix.NFTA_DATA_VERDICT)
		s.number(unix.NFTA_VERDICT_CODE, verdictGoto)
		s.text(unix.NFTA_VERDICT_CHAIN, x.Pick.String())
		s.close(verdict)
		s.close(data)
	}
	s.close(element)
}

// verdictGoto is NFT_GOTO, -4 as the kernel reads it.
const verdictGoto = 0xfffffffc

func digit(a netip.Addr) string {
	if a.Is6() {
		return v6.digit
	}
	return v4.digit
}

// appendKey writes address, protocol and port, each filled up to 4 bytes.
func appendKey(b []byte, k ruleset.Key) []byte {
	b = append(appendAddr(b, k.Addr), byte(k.Proto), 0, 0, 0)
	return appendPort(b, k.Port)
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		x := a.As4()
		return append(b, x[:]...)
	}
	x := a.As16()
	return append(b, x[:]...)
}

func appendPort(b []byte, p uint16) []byte { return append(binary.BigEndian.AppendUint16(b, p), 0, 0) }

const nameLen = unix.IFNAMSIZ

func nameBytes(name string) []byte {
	b := make([]byte, nameLen, 2*nameLen)
	copy(b, name)
	return b
}

// lastAddr is the last address of a prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := range b {
		host := 8*(i+1) - p.Bits()
		if host >= 8 {
			b[i] = 0xff
		} else if host > 0 {
			b[i] |= 1<<host - 1
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
