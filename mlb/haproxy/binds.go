package haproxy

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// busy returns the addresses among binds that somebody else listens on, by trying them. bound are those our HAProxy has
// bound already. HAProxy itself would notice, too, but only while it reloads, for which it pauses the listeners that work.
// Addresses it cannot judge (sockets, interfaces, environment variables) pass.
func busy(ctx context.Context, binds, bound []string) []string {
	known := make(map[string]bool, len(bound))
	for _, b := range bound {
		for _, address := range addresses(b) {
			known[address] = true
		}
	}
	var taken []string
	for _, list := range binds {
		for _, address := range addresses(list) {
			if known[address] || !listensTCP(address) {
				continue
			}
			var lc net.ListenConfig
			address = strings.TrimPrefix(address, "*")
			network := "tcp"
			if strings.HasPrefix(address, ":") {
				network = "tcp4" // to HAProxy no address means 0.0.0.0
			}
			l, err := lc.Listen(ctx, network, address)
			if err == nil {
				_ = l.Close()
			} else if errors.Is(err, syscall.EADDRINUSE) {
				taken = append(taken, address)
			}
		}
	}
	return taken
}

// addresses takes the word after "bind" apart: a list of addresses, each of which may end in a range of ports.
func addresses(word string) []string {
	var all []string
	for one := range strings.SplitSeq(word, ",") {
		at := strings.LastIndexByte(one, ':')
		from, to, ok := strings.Cut(one[at+1:], "-")
		low, err := strconv.Atoi(from)
		high, err2 := strconv.Atoi(to)
		if !ok || at < 0 || err != nil || err2 != nil || low < 1 || high > 65535 {
			all = append(all, one)
			continue
		}
		for p := low; p <= high; p++ {
			all = append(all, one[:at+1]+strconv.Itoa(p))
		}
	}
	return all
}

func listensTCP(address string) bool {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(address, "*"))
	if err != nil || strings.ContainsAny(port, "-$\"") || port == "0" {
		return false
	}
	return host == "" || net.ParseIP(host) != nil
}

// wants says whether the word after "bind" holds the address, which has lost its asterisk.
func wants(word, address string) bool {
	return slices.ContainsFunc(addresses(word), func(a string) bool { return strings.TrimPrefix(a, "*") == address })
}

// busyReasons words what busy found, with the section that wanted the address.
func busyReasons(config []byte, taken []string) []Reason {
	var reasons []Reason
	for _, address := range taken {
		r := Reason{File: configName, Message: "address " + address + " is in use by another process", InUse: true}
		n := 0
		for line := range bytes.Lines(config) {
			n++
			f := bytes.Fields(line)
			if len(f) > 1 && string(f[0]) == "bind" && wants(string(f[1]), address) {
				r.Line = n
				break
			}
		}
		reasons = append(reasons, r)
	}
	locate(reasons, config)
	return reasons
}
