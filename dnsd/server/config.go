package server

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Config is how a Server answers. DefaultConfig has sound values.
type Config struct {
	// MaxUDPSize is the largest answer in bytes sent by UDP, and the buffer size offered to clients; 512 to 4096. Answers
	// above 1232 may be cut by routers on the way.
	MaxUDPSize int
	Order      Order
	// Recursion says in answers from our zones that we answer for other names as well.
	Recursion bool
	// NoTruncateBit leaves the sign off answers that were cut, for clients that cannot ask again by TCP.
	NoTruncateBit bool
	// StripWildcards drops ".*" from names before they are looked up, as Mesos-DNS does.
	StripWildcards bool
	// FullAny answers ANY with all records of a name over TCP, rather than with one set (RFC 8482).
	FullAny bool

	Queries   []netip.Prefix // who may ask; none is everybody
	Recursive []netip.Prefix // who may ask for names that are not ours
	Transfer  []netip.Prefix // who may transfer zones
	// RateLimit bounds answers per second by UDP to one network (IPv4 /24, IPv6 /56); 0 is no bound.
	RateLimit int

	Rewrites []Rewrite

	secret secret // made by New

	Forwards     int           // queries that wait for an upstream at a time
	Connections  int           // TCP connections at a time
	PerClient    int           // of these, from one address
	Pipeline     int           // queries of one connection that are answered at a time
	Transfers    int           // zone transfers at a time
	IdleTimeout  time.Duration // of a TCP connection; a fifth of it while more than half of Connections are open
	WriteTimeout time.Duration // how long a TCP client may take to accept one message
}

// DefaultConfig returns the values of a server that was told nothing.
func DefaultConfig() Config {
	return Config{
		MaxUDPSize: 1232, Order: OrderRandom, Recursion: true, Recursive: PrivateNetworks(), Transfer: Loopback(),
		Forwards: 4096, Connections: 1024, PerClient: 256, Pipeline: 64, Transfers: 8, IdleTimeout: 15 * time.Second,
		WriteTimeout: 10 * time.Second,
	}
}

// maxUDP is the room for one datagram.
const maxUDP = 4096

// Validate names the value that is wrong.
func (c *Config) Validate() error {
	if c.MaxUDPSize < minUDP || c.MaxUDPSize > maxUDP {
		return fmt.Errorf("UDP size %d: expected %d to %d bytes", c.MaxUDPSize, minUDP, maxUDP)
	}
	if !slices.Contains([]Order{OrderRandom, OrderRotate, OrderFixed}, c.Order) {
		return fmt.Errorf("answer order %q: expected random, rotate or fixed", c.Order)
	}
	for _, v := range []struct {
		name string
		n    int
	}{
		{"waiting queries", c.Forwards}, {"connections", c.Connections}, {"connections of a client", c.PerClient},
		{"queries of a connection", c.Pipeline}, {"transfers", c.Transfers},
	} {
		if v.n < 1 || v.n > 1<<20 {
			return fmt.Errorf("%s %d: expected 1 to %d", v.name, v.n, 1<<20)
		}
	}
	if c.RateLimit < 0 {
		return fmt.Errorf("rate limit %d: expected 0 or more answers per second", c.RateLimit)
	}
	if c.IdleTimeout < time.Second {
		return fmt.Errorf("idle timeout %s: expected at least 1s", c.IdleTimeout)
	}
	if c.WriteTimeout <= 0 {
		return fmt.Errorf("write timeout %s: expected more than 0", c.WriteTimeout)
	}
	return nil
}

// PrivateNetworks are the networks that are nobody's on the internet: RFC 1918, 6598, 3927, 4193, 4291 and loopback.
func PrivateNetworks() []netip.Prefix {
	return append(Loopback(), prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16",
		"fc00::/7", "fe80::/10")...)
}

// Loopback is this machine.
func Loopback() []netip.Prefix { return prefixes("127.0.0.0/8", "::1/128") }

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func allowed(list []netip.Prefix, ip netip.Addr) bool {
	for _, p := range list {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

func (c *Config) ra() byte {
	if c.Recursion {
		return bitRA
	}
	return 0
}
