package server

import (
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many datagrams one system call reads or writes at most.
const batchSize = 64

// batch is room for datagrams: what was read, who sent it and to which of our addresses, and what goes back. recvmmsg(2)
// and sendmmsg(2) are called directly: the sender's address and the control message that names our own go back to the kernel as
// they came, without being turned into Go values, which would allocate.
type batch struct {
	conn syscall.RawConn
	in   [batchSize]slot
	out  [batchSize]slot
	read [batchSize]mmsghdr
	send [batchSize]mmsghdr

	n, sent     int // results of the calls below
	errno       syscall.Errno
	recvF, sndF func(uintptr) bool
}

type slot struct {
	iov     unix.Iovec
	name    [unix.SizeofSockaddrInet6]byte
	control [64]byte
	data    [maxUDP]byte
}

// mmsghdr is the kernel's struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [unsafe.Sizeof(uintptr(0)) - 4]byte
}

func newBatch(c *net.UDPConn) (*batch, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	b := &batch{conn: raw}
	b.recvF, b.sndF = b.recvmmsg, b.sendmmsg
	for i := range b.in {
		b.in[i].attach(&b.read[i])
		b.out[i].attach(&b.send[i])
	}
	return b, nil
}

func (s *slot) attach(h *mmsghdr) {
	s.iov.Base = &s.data[0]
	s.iov.SetLen(len(s.data))
	h.hdr.Iov, h.hdr.Name, h.hdr.Control = &s.iov, &s.name[0], &s.control[0]
	h.hdr.SetIovlen(1)
}

// receive waits for datagrams and returns their number.
func (b *batch) receive() (int, error) {
	for i := range b.read {
		h := &b.read[i].hdr
		h.Namelen = uint32(len(b.in[i].name))
		h.SetControllen(len(b.in[i].control))
	}
	if err := b.conn.Read(b.recvF); err != nil {
		return 0, err
	}
	if b.errno != 0 {
		return 0, b.errno
	}
	return b.n, nil
}

func (b *batch) recvmmsg(fd uintptr) bool {
	n, _, errno := syscall.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.read[0])), batchSize,
		unix.MSG_DONTWAIT, 0, 0)
	b.n, b.errno = int(n), errno
	return errno != syscall.EAGAIN && errno != syscall.EINTR
}

// packet is the i-th datagram; whole is false if it was longer than there was room.
func (b *batch) packet(i int) (p []byte, whole bool) {
	return b.in[i].data[:b.read[i].len], b.read[i].hdr.Flags&unix.MSG_TRUNC == 0
}

// queue makes the k-th outgoing datagram, n bytes that already are in its slot, the answer to the i-th one read.
func (b *batch) queue(k, i, n int) {
	from, h := &b.read[i].hdr, &b.send[k].hdr
	b.out[k].iov.SetLen(n)
	copy(b.out[k].name[:], b.in[i].name[:from.Namelen])
	h.Namelen = from.Namelen
	b.out[k].control = b.in[i].control
	h.SetControllen(int(from.Controllen))
	anyInterface(b.out[k].control[:from.Controllen])
	if from.Controllen == 0 {
		h.Control = nil
	} else {
		h.Control = &b.out[k].control[0]
	}
}

// anyInterface keeps our address in a control message, but lets routing choose the interface, except for addresses that mean
// something on one interface alone.
func anyInterface(c []byte) {
	if len(c) < unix.SizeofCmsghdr {
		return
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&c[0]))
	data := c[unix.CmsgLen(0):]
	switch {
	case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		(*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Ifindex = 0
	case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
		info := (*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0]))
		if !netip.AddrFrom16(info.Addr).IsLinkLocalUnicast() {
			info.Ifindex = 0
		}
	}
}

// flush sends the first k outgoing datagrams and returns how many the kernel would not take. Those are skipped, the
// others go out.
func (b *batch) flush(k int) (lost int) {
	for b.sent = 0; b.sent < k; {
		b.n = k - b.sent
		if err := b.conn.Write(b.sndF); err != nil {
			return lost + k - b.sent
		}
		if b.errno != 0 {
			lost++
			b.sent++
			continue
		}
		b.sent += b.n
	}
	return lost
}

func (b *batch) sendmmsg(fd uintptr) bool {
	n, _, errno := syscall.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.send[b.sent])), uintptr(b.n),
		unix.MSG_DONTWAIT, 0, 0)
	if errno == syscall.EAGAIN || errno == syscall.EINTR {
		return false
	}
	b.n, b.errno = int(n), errno
	return true
}

// from returns the sender of the i-th datagram.
func (b *batch) from(i int) netip.AddrPort {
	name := &b.in[i].name
	switch (*unix.RawSockaddr)(unsafe.Pointer(name)).Family {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(name[4:8])), uint16(name[2])<<8|uint16(name[3]))
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(name[8:24])).Unmap(), uint16(name[2])<<8|uint16(name[3]))
	}
	return netip.AddrPort{}
}

// envelope is what it takes to answer the i-th datagram later.
type envelope struct {
	name, control       [64]byte
	nameLen, controlLen int
}

func (b *batch) envelope(i int) envelope {
	h := &b.read[i].hdr
	e := envelope{nameLen: int(h.Namelen), controlLen: int(h.Controllen)}
	copy(e.name[:], b.in[i].name[:h.Namelen])
	e.control = b.in[i].control
	anyInterface(e.control[:e.controlLen])
	return e
}

// sendLater sends one datagram to where an envelope came from.
func sendLater(conn syscall.RawConn, e *envelope, p []byte) error {
	iov := unix.Iovec{Base: &p[0]}
	iov.SetLen(len(p))
	h := unix.Msghdr{Name: &e.name[0], Namelen: uint32(e.nameLen), Iov: &iov}
	h.SetIovlen(1)
	if e.controlLen > 0 {
		h.Control = &e.control[0]
		h.SetControllen(e.controlLen)
	}
	var errno syscall.Errno
	err := conn.Write(func(fd uintptr) bool {
		_, _, errno = syscall.Syscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&h)), unix.MSG_DONTWAIT)
		return errno != syscall.EAGAIN && errno != syscall.EINTR
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return err
}
