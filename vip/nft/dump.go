package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"berth/vip/ruleset"
)

// element is one of a set, as the kernel lists it. Its bytes are valid only until the next one.
type element struct {
	key, value []byte
	chain      []byte // of a verdict
	end        bool   // of an interval
	packets    uint64 // of its counter
}

// ErrInterrupted means that the table changed while it was listed: some elements may be missing.
var ErrInterrupted = errors.New("the table changed while it was read")

// dumpBuffer is the size of the pieces in which the kernel lists a set: it makes them as large as what was received with
// room for it, up to 32 KiB (netlink_recvmsg in net/netlink/af_netlink.c). For each piece it walks the set from the
// beginning, so small pieces make a large set's listing quadratic.
const dumpBuffer = 64 << 10

// dump hands over each element of a set.
func dump(raw *netlink.Conn, set string, each func(element) error) error {
	attrs, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_SET_ELEM_LIST_TABLE, Data: append([]byte(ruleset.Table), 0)},
		{Type: unix.NFTA_SET_ELEM_LIST_SET, Data: append([]byte(set), 0)},
	})
	if err != nil {
		return err
	}
	sent, err := raw.Send(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETSETELEM,
			Flags: netlink.Request | netlink.Dump},
		Data: append([]byte{byte(nftables.TableFamilyINet), unix.NFNETLINK_V0, 0, 0}, attrs...),
	})
	if err != nil {
		return fmt.Errorf("list set %s: %w", set, err)
	}
	buf := make([]byte, dumpBuffer)
	interrupted := false
	var refused error // of each; the rest is read nevertheless, so that it does not lie in the way of the next question
	for {
		n, err := receive(raw, buf)
		if err != nil {
			return fmt.Errorf("list set %s: %w", set, err)
		}
		messages, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return fmt.Errorf("list set %s: %w", set, err)
		}
		for _, m := range messages {
			if m.Header.Seq != sent.Header.Sequence {
				continue
			}
			interrupted = interrupted || m.Header.Flags&unix.NLM_F_DUMP_INTR != 0
			switch m.Header.Type {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				if errno := status(m.Data); errno != 0 {
					return fmt.Errorf("list set %s: %w", set, errno)
				}
				if interrupted {
					return fmt.Errorf("list set %s: %w", set, ErrInterrupted)
				}
				return refused
			}
			if refused == nil {
				refused = elements(m.Data, each)
			}
		}
	}
}

// status is the error number with which a message ends a dump, 0 for success.
func status(data []byte) syscall.Errno {
	if len(data) < 4 {
		return 0
	}
	return syscall.Errno(-int32(binary.NativeEndian.Uint32(data)))
}

// receive waits for one datagram, as long as the connection's deadline lets it.
func receive(raw *netlink.Conn, buf []byte) (n int, err error) {
	sc, err := raw.SyscallConn()
	if err != nil {
		return 0, err
	}
	outer := sc.Read(func(fd uintptr) bool {
		n, _, err = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
		return !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
	})
	return n, errors.Join(outer, err)
}

// elements takes a message of a dump apart; elementMessages shows the shape.
func elements(data []byte, each func(element) error) error {
	const header = 4 // nfgenmsg
	if len(data) < header {
		return errShape
	}
	return attributes(data[header:], func(kind uint16, list []byte) error {
		if kind != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			return nil
		}
		return attributes(list, func(_ uint16, b []byte) error {
			e, err := parseElement(b)
			if err != nil {
				return err
			}
			return each(e)
		})
	})
}

func parseElement(b []byte) (e element, err error) {
	err = attributes(b, func(kind uint16, b []byte) (err error) {
		switch kind {
		case unix.NFTA_SET_ELEM_KEY:
			e.key, err = child(b, unix.NFTA_DATA_VALUE)
		case unix.NFTA_SET_ELEM_DATA:
			if e.value, err = child(b, unix.NFTA_DATA_VALUE); err != nil || e.value != nil {
				return err
			}
			var verdict []byte
			if verdict, err = child(b, unix.NFTA_DATA_VERDICT); err == nil {
				e.chain, err = child(verdict, unix.NFTA_VERDICT_CHAIN)
			}
		case unix.NFTA_SET_ELEM_FLAGS:
			e.end = len(b) >= 4 && binary.BigEndian.Uint32(b)&unix.NFT_SET_ELEM_INTERVAL_END != 0
		case unix.NFTA_SET_ELEM_EXPR: // { NAME "counter", DATA { BYTES, PACKETS } }
			var counter, packets []byte
			if counter, err = child(b, unix.NFTA_EXPR_DATA); err == nil {
				packets, err = child(counter, unix.NFTA_COUNTER_PACKETS)
			}
			if len(packets) >= 8 {
				e.packets = binary.BigEndian.Uint64(packets)
			}
		}
		return err
	})
	return e, err
}

// child finds the first attribute of a kind, nil if there is none.
func child(b []byte, kind uint16) (found []byte, err error) {
	err = attributes(b, func(k uint16, data []byte) error {
		if k == kind && found == nil {
			found = data
		}
		return nil
	})
	return found, err
}

// attributes hands over each netlink attribute: length with header (2 bytes), kind (2 bytes), data, filled up to 4 bytes.
func attributes(b []byte, each func(kind uint16, data []byte) error) error {
	const kindMask = ^uint16(unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
	for len(b) >= unix.NLA_HDRLEN {
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.NLA_HDRLEN || n > len(b) {
			return errShape
		}
		if err := each(binary.NativeEndian.Uint16(b[2:])&kindMask, b[unix.NLA_HDRLEN:n]); err != nil {
			return err
		}
		b = b[min(len(b), (n+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1)):]
	}
	return nil
}
