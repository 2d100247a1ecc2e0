package haproxy

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
)

// busy returns the addresses among binds that somebody else listens on, by trying them. bound are those our HAProxy has
// bound already. HAProxy itself would notice, too, but only while it reloads, for which it pauses the listeners that work.
// Addresses it cannot judge (sockets, interfaces, environment variables) pass.
func busy(ctx context.Context, binds, bound []string) []string {
	known := make(map[string]bool, len(bound))
	for _, b := range bound {
		known[b] = true
	}
	var taken []string
	for _, list := range binds {
		for _, address := range strings.Split(list, ",") {
			if known[list] || !listensTCP(address) {
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

func listensTCP(address string) bool {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(address, "*"))
	if err != nil || strings.ContainsAny(port, "-$\"") || port == "0" {
		return false
	}
	return host == "" || net.ParseIP(host) != nil
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
			if len(f) > 1 && string(f[0]) == "bind" && strings.HasSuffix(string(f[1]), address) {
				r.Line = n
				break
			}
		}
		reasons = append(reasons, r)
	}
	locate(reasons, config)
	return reasons
}
