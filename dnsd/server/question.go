package server

import "encoding/binary"

// Header bits and codes (RFC 1035 section 4.1.1, RFC 2535, RFC 6891).
const (
	headerSize = 12

	bitQR = 1 << 7 // third byte
	bitAA = 1 << 2
	bitTC = 1 << 1
	bitRD = 1 << 0
	bitRA = 1 << 7 // fourth byte
	bitAD = 1 << 5
	bitCD = 1 << 4

	rcodeMask = 15

	typeOPT = 41
	bitDO   = 1 << 7 // third byte of an OPT record's TTL
)

// minUDP is what every client can take, in bytes (RFC 1035 section 2.3.4).
const minUDP = 512

// maxName is how long a name is in text without the trailing dot, in bytes: as sent it has two more (RFC 1035 section 2.3.4).
const maxName = 253

// question is a query of the plain kind: one question of class IN, at most an EDNS record of version 0 behind it.
type question struct {
	end  int // of the question section in the packet
	typ  uint16
	edns bool
	do   bool
	size int // the client's buffer, at least minUDP
	// cookie is the data of the first COOKIE option, nil without any. It is part of the packet.
	cookie []byte
	lower  [255]byte
	n      int // length of the name in lower

	text [255]byte // room for another name
}

// name is the question's name in lower case with dots between labels and none at the end.
func (q *question) name() []byte { return q.lower[:q.n] }

// parse reads p and reports whether it is of the plain kind. Whatever is odd, or merely rare, is not: it is left to miekg/dns.
//
//	header 12 | name: (length label)* 0 | type 2 | class 2 | OPT: 0 | 41 2 | size 2 | rcode, version, DO, zero 4 | length 2 | options
func (q *question) parse(p []byte) bool {
	if len(p) < headerSize+5 || p[2]&^bitRD != 0 || p[3]&^(bitAD|bitCD) != 0 {
		return false // not a query, another opcode, or bits that a query does not have
	}
	if binary.BigEndian.Uint32(p[4:]) != 1<<16 || p[8]|p[9]|p[10] != 0 || p[11] > 1 {
		return false // other than one question and one additional record
	}
	at := q.parseName(p)
	if at == 0 || len(p) < at+4 || binary.BigEndian.Uint16(p[at+2:]) != 1 {
		return false
	}
	q.typ, q.end = binary.BigEndian.Uint16(p[at:]), at+4
	q.edns, q.do, q.size, q.cookie = false, false, minUDP, nil
	if p[11] == 0 {
		return len(p) == q.end
	}
	return q.parseOPT(p[q.end:])
}

// parseName returns the offset behind the name, or 0 if it has anything but plain characters.
func (q *question) parseName(p []byte) int {
	at, n := headerSize, 0
	for {
		if at >= len(p) {
			return 0
		}
		length := int(p[at])
		at++
		if length == 0 {
			break
		}
		if length > 63 || at+length > len(p) || n > 0 && n+1+length > maxName {
			return 0
		}
		if n > 0 {
			q.lower[n] = '.'
			n++
		}
		for _, c := range p[at : at+length] {
			if c = lowered[c]; c == 0 {
				return 0
			}
			q.lower[n] = c
			n++
		}
		at += length
	}
	q.n = n
	if n == 0 {
		return 0 // the root is not ours
	}
	return at
}

// lowered maps a byte of a plain label to lower case, and any other to 0.
var lowered = func() (t [256]byte) {
	for c := '!'; c <= '~'; c++ {
		switch c {
		case '.', '\\', '"', '(', ')', ';', '@', '$':
		default:
			t[c] = byte(c)
		}
	}
	for c := 'A'; c <= 'Z'; c++ {
		t[c] = byte(c) + 'a' - 'A'
	}
	return t
}()

// parseOPT reads an EDNS record that ends the packet; of the options, only a cookie is looked at.
func (q *question) parseOPT(p []byte) bool {
	if len(p) < 11 || p[0] != 0 || binary.BigEndian.Uint16(p[1:]) != typeOPT || p[5] != 0 || p[6] != 0 {
		return false
	}
	if p[7]&^bitDO != 0 || p[8] != 0 || int(binary.BigEndian.Uint16(p[9:])) != len(p)-11 {
		return false
	}
	for o := p[11:]; len(o) > 0; {
		if len(o) < 4 || len(o) < 4+int(binary.BigEndian.Uint16(o[2:])) {
			return false
		}
		data := o[4 : 4+int(binary.BigEndian.Uint16(o[2:]))]
		if binary.BigEndian.Uint16(o) == optionCookie && q.cookie == nil {
			if !cookieOK(len(data)) {
				return false
			}
			q.cookie = data
		}
		o = o[4+len(data):]
	}
	q.edns, q.do = true, p[7]&bitDO != 0
	q.size = max(minUDP, int(binary.BigEndian.Uint16(p[3:])))
	return true
}
