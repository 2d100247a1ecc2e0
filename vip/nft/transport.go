package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// errRendered ends a Flush whose messages have been taken.
var errRendered = errors.New("rendered")

// render returns the messages of a batch that f queues, without the marks of its beginning and end. google/nftables builds them; we
// send them ourselves, because with an acknowledgement for every message a large batch overflows the receive buffer
// although it was committed (its issues 103 and 350), and because some refusals answer fewer messages than it waits for.
func render(f func(*nftables.Conn) error) (list []netlink.Message, err error) {
	conn, err := nftables.New(nftables.WithTestDial(func(sent []netlink.Message) ([]netlink.Message, error) {
		list = append(list, sent...)
		return nil, errRendered
	}))
	if err != nil {
		return nil, err
	}
	if err := f(conn); err != nil {
		return nil, err
	}
	if err := conn.Flush(); err != nil && !errors.Is(err, errRendered) {
		return nil, err
	}
	if len(list) > 0 {
		list = list[1 : len(list)-1]
	}
	for i := range list {
		list[i].Header.Flags &^= netlink.Acknowledge
		list[i].Header.Sequence, list[i].Header.PID = 0, 0
		if list[i].Header.Type == unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWRULE {
			originalAddress(list[i].Data)
		}
	}
	return list, nil
}

// marked puts the marks of a transaction around its messages, and asks for an answer to the last one.
func marked(list []netlink.Message) []netlink.Message {
	mark := func(kind netlink.HeaderType) []netlink.Message {
		return []netlink.Message{{Header: netlink.Header{Type: kind, Flags: netlink.Request},
			Data: binary.BigEndian.AppendUint16([]byte{0, unix.NFNETLINK_V0}, unix.NFNL_SUBSYS_NFTABLES)}}
	}
	list[len(list)-1].Header.Flags |= netlink.Acknowledge
	return slices.Concat(mark(unix.NFNL_MSG_BATCH_BEGIN), list, mark(unix.NFNL_MSG_BATCH_END))
}

// originalAddress turns the key of "ct original daddr" into the one that knows its family. The library can write only the
// older key, of which nft 1.0.6 cannot list rules in family inet: it aborts.
func originalAddress(rule []byte) {
	keyAttr := binary.BigEndian.AppendUint32(attribute(8, unix.NFTA_CT_KEY), unix.NFT_CT_DST)
	at := indexAligned(rule, keyAttr)
	// The name of the expression stands before, and the header of its data; other expressions have numbers like this one.
	name := append(attribute(7, unix.NFTA_EXPR_NAME), 'c', 't', 0, 0)
	for at >= 0 && indexAligned(rule[max(0, at-12):at], name) != 0 {
		next := indexAligned(rule[at+4:], keyAttr)
		if next < 0 {
			return
		}
		at += 4 + next
	}
	if at < 0 {
		return
	}
	// The family is that of the comparison the rule begins with.
	six := binary.BigEndian.AppendUint32(nil, unix.NFPROTO_IPV6<<24)
	key := uint32(unix.NFT_CT_DST_IP)
	if i := indexAligned(rule, six); i >= 0 && i < at {
		key = unix.NFT_CT_DST_IP6
	}
	binary.BigEndian.PutUint32(rule[at+4:], key)
}

// attribute is the header of one, of a length in bytes.
func attribute(length, kind uint16) []byte {
	return binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(nil, length), kind)
}

// indexAligned finds a piece at a multiple of 4 bytes, where attributes begin.
func indexAligned(b, piece []byte) int {
	for i := 0; i+len(piece) <= len(b); i += 4 {
		if string(b[i:i+len(piece)]) == string(piece) {
			return i
		}
	}
	return -1
}

// send hands a batch to the kernel, which works it off before the call returns: all answers are in the socket by then.
func send(raw *netlink.Conn, list []netlink.Message) error {
	if len(list) == 0 {
		return nil
	}
	list = marked(list)
	if _, err := drain(raw); err != nil && !errors.Is(err, syscall.ENOBUFS) {
		return err
	}
	sent, err := raw.SendMessages(list)
	if err != nil {
		return fmt.Errorf("send batch: %w", err)
	}
	last := sent[len(sent)-2].Header.Sequence
	answers, err := drain(raw)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	acknowledged := false
	for _, a := range answers {
		if a.errno != 0 {
			return fmt.Errorf("message %d of %d: %w", a.seq-sent[0].Header.Sequence, len(sent)-2, a.errno)
		}
		acknowledged = acknowledged || a.seq == last
	}
	if !acknowledged {
		return ErrUncertain
	}
	return nil
}

// answer is an error message; errno 0 acknowledges.
type answer struct {
	seq   uint32
	errno syscall.Errno
}

// drain reads what is in the socket, without waiting.
func drain(raw *netlink.Conn) (list []answer, err error) {
	sc, err := raw.SyscallConn()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 1<<16)
	outer := sc.Control(func(fd uintptr) {
		for {
			var n int
			if n, _, err = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT); err != nil {
				return
			}
			list = append(list, parseAnswers(buf[:n])...)
		}
	})
	if errors.Is(err, syscall.EAGAIN) {
		err = nil
	}
	return list, errors.Join(outer, err)
}

func parseAnswers(b []byte) (list []answer) {
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		if m.Header.Type == syscall.NLMSG_ERROR && len(m.Data) >= 4 {
			errno := -int32(binary.NativeEndian.Uint32(m.Data))
			list = append(list, answer{m.Header.Seq, syscall.Errno(errno)})
		}
	}
	return list
}
