package model

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
)

// BackendName is the name of the backend and frontend of a service (marathon-lb.md section 9.4).
func BackendName(app string, port int) string {
	return strings.ReplaceAll(strings.TrimLeft(app, "/"), "/", "_") + "_" + strconv.Itoa(port)
}

// ServerName is the name of a server: dashboards and zdd parse it (section 9.4).
func ServerName(host, ip string, port int) string {
	name := ip + "_" + strconv.Itoa(port)
	if host != ip {
		name = host + "_" + name
	}
	return Clean(name)
}

// Clean replaces every byte outside A-Z a-z 0-9 and the hyphen by an underscore, once for each character.
func Clean(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			b.WriteByte(byte(r))
		default:
			b.WriteByte('_')
		}
	}
	return b.String()
}

const idModulus = 32767

// serverID is the first id for name that is not 0 and not taken (section 9.6). A backend holds fewer servers than there
// are ids, so a free one is found; should it not be after many tries, the lowest free id is taken.
func serverID(name string, taken map[int]bool) int {
	text := name
	for range 1000 {
		sum := sha256.Sum256([]byte(text))
		if id := mod(sum[:], idModulus); id != 0 && !taken[id] {
			return id
		}
		text = text + " " + hex.EncodeToString(sum[:])
	}
	for id := 1; ; id++ {
		if !taken[id] {
			return id
		}
	}
}

// mod takes b, whose length is a multiple of four, as a big-endian number.
func mod(b []byte, m int) int {
	r := uint64(0)
	for ; len(b) >= 4; b = b[4:] {
		r = (r<<32 | uint64(binary.BigEndian.Uint32(b))) % uint64(m)
	}
	return int(r)
}

// serverCookie is what a sticky session remembers of a server (section 9.3).
func serverCookie(name string) string {
	sum := sha1.Sum([]byte(name))
	return hex.EncodeToString(sum[:])[:10]
}
