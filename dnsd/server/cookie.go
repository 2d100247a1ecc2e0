package server

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Sizes of a COOKIE option's data in bytes (RFC 7873 section 4, RFC 9018 section 4).
const (
	optionCookie     = 10
	clientCookieSize = 8
	serverCookieSize = 16
	cookieSize       = clientCookieSize + serverCookieSize
	minServerCookie  = 8
	maxServerCookie  = 32
)

// How far in seconds the time in a server cookie may be off (RFC 9018 section 4.3).
const (
	cookieOld    = 3600
	cookieFuture = 300
)

// secret makes server cookies. It is drawn anew at each start: clients learn the next cookie with the next answer.
type secret [2]uint64

func newSecret() secret {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return secretOf(b)
}

func secretOf(b [16]byte) secret {
	return secret{binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])}
}

// cookieOK reports whether the data of a COOKIE option may be as long as that.
func cookieOK(n int) bool {
	n -= clientCookieSize
	return n == 0 || minServerCookie <= n && n <= maxServerCookie
}

// appendTo writes client cookie and server cookie.
//
//	client cookie 8 | version 1, reserved 3 | time 4 | hash of all that and the client's address 8
func (s *secret) appendTo(b, client []byte, from netip.Addr, now uint32) []byte {
	b = append(b, client[:clientCookieSize]...)
	b = append(b, 1, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, now)
	return binary.LittleEndian.AppendUint64(b, s.hash(b[len(b)-16:], from))
}

// hash is SipHash-2-4 of a cookie without its hash, and an address.
func (s *secret) hash(cookie []byte, from netip.Addr) uint64 {
	var in [16 + 16]byte
	n := copy(in[:], cookie)
	if from = from.Unmap(); from.Is4() {
		a := from.As4()
		n += copy(in[n:], a[:])
	} else {
		a := from.As16()
		n += copy(in[n:], a[:])
	}
	return sipHash(s[0], s[1], in[:n])
}

// valid reports whether a client's option holds a cookie that we gave to its address not long ago: so it can hear us there.
func (s *secret) valid(option []byte, from netip.Addr, now uint32) bool {
	if len(option) != cookieSize || option[clientCookieSize] != 1 {
		return false
	}
	age := int32(now - binary.BigEndian.Uint32(option[12:]))
	return age <= cookieOld && age >= -cookieFuture && s.hash(option[:16], from) == binary.LittleEndian.Uint64(option[16:])
}

// sipHash is SipHash-2-4 (Aumasson and Bernstein 2012).
func sipHash(k0, k1 uint64, in []byte) uint64 {
	v := [4]uint64{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573}
	last := uint64(len(in)) << 56
	for ; len(in) >= 8; in = in[8:] {
		m := binary.LittleEndian.Uint64(in)
		v[3] ^= m
		sipRound(&v)
		sipRound(&v)
		v[0] ^= m
	}
	for i, c := range in {
		last |= uint64(c) << (8 * i)
	}
	v[3] ^= last
	sipRound(&v)
	sipRound(&v)
	v[0] ^= last
	v[2] ^= 0xff
	for range 4 {
		sipRound(&v)
	}
	return v[0] ^ v[1] ^ v[2] ^ v[3]
}

func sipRound(v *[4]uint64) {
	v[0] += v[1]
	v[1] = bits.RotateLeft64(v[1], 13) ^ v[0]
	v[0] = bits.RotateLeft64(v[0], 32)
	v[2] += v[3]
	v[3] = bits.RotateLeft64(v[3], 16) ^ v[2]
	v[0] += v[3]
	v[3] = bits.RotateLeft64(v[3], 21) ^ v[0]
	v[2] += v[1]
	v[1] = bits.RotateLeft64(v[1], 17) ^ v[2]
	v[2] = bits.RotateLeft64(v[2], 32)
}

// cookie returns the data of a query's first COOKIE option, nil without any. ok says whether its length may be as it is.
func (q *query) cookie() (data []byte, ok bool) {
	opt := q.m.IsEdns0()
	if opt == nil {
		return nil, true
	}
	for _, o := range opt.Option {
		if c, is := o.(*dns.EDNS0_COOKIE); is {
			data, err := hex.DecodeString(c.Cookie)
			return data, err == nil && cookieOK(len(data))
		}
	}
	return nil, true
}

// answerCookie adds the cookie to an answer's EDNS record, if the client sent one.
func (q *query) answerCookie(opt *dns.OPT) {
	data, ok := q.cookie()
	if data == nil || !ok {
		return
	}
	c := q.view.config.secret.appendTo(nil, data, q.from, uint32(time.Now().Unix()))
	opt.Option = append(opt.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: hex.EncodeToString(c)})
}
