package plan

import (
	"fmt"
	"strings"

	"berth/mlb/render"
)

// dynamicKeywords are the words that "add server" of HAProxy 2.6 takes, with the number of words that follow each
// (management guide section 9.3, add server).
var dynamicKeywords = map[string]int{
	"addr": 1, "alpn": 1, "backup": 0, "ca-file": 1, "check": 0, "check-alpn": 1, "check-proto": 1, "check-send-proxy": 0,
	"check-sni": 1, "check-ssl": 0, "crt": 1, "downinter": 1, "fall": 1, "fastinter": 1, "id": 1, "inter": 1, "maxconn": 1,
	"maxqueue": 1, "minconn": 1, "no-check-ssl": 0, "no-ssl": 0, "on-error": 1, "on-marked-down": 1, "on-marked-up": 1,
	"pool-max-conn": 1, "pool-purge-delay": 1, "port": 1, "proto": 1, "rise": 1, "send-proxy": 0, "send-proxy-v2": 0,
	"slowstart": 1, "sni": 1, "ssl": 0, "verify": 1, "verifyhost": 1, "ws": 1,
}

// cannotAdd says why a server of this backend cannot be added at run time, or "".
func (d *diff) cannotAdd(f *render.Fragment, s server) string {
	name := f.Service.Name
	for options := s.options; len(options) > 0; {
		word := options[0]
		values, ok := dynamicKeywords[word]
		if word == "cookie" && d.opt.Cookies {
			values, ok = 1, true
		}
		if !ok || len(options) <= values {
			return fmt.Sprintf("server %s/%s is new, and this HAProxy adds none with %s at run time", name, s.name, word)
		}
		options = options[1+values:]
	}
	if d.defaultServer {
		return fmt.Sprintf("backend %s has new servers, and the defaults section has a default-server line, which servers "+
			"added at run time do not follow", name)
	}
	return backendForbids(f)
}

// hasDefaultServer reports whether a text gives servers more than the init-addr of our own defaults, which means nothing
// to a server with an address.
func hasDefaultServer(text string) bool {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == "default-server" && (len(fields) != 3 || fields[1] != "init-addr") {
			return true
		}
	}
	return false
}

// backendForbids says why a backend takes no servers at run time: its algorithm has a fixed table, or its servers rely
// on defaults, which an added server does not get.
func backendForbids(f *render.Fragment) string {
	name := f.Service.Name
	algorithm, consistent := "", false
	for line := range strings.Lines(f.Backend) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case fields[0] == "balance" && len(fields) > 1:
			algorithm = fields[1]
		case fields[0] == "hash-type":
			consistent = strings.Contains(line, "consistent")
		case fields[0] == "default-server":
			return fmt.Sprintf("backend %s has new servers and a default-server line, which servers added at run time "+
				"do not follow", name)
		}
	}
	kind, _, _ := strings.Cut(algorithm, "(")
	switch kind {
	case "", "roundrobin", "leastconn", "first", "random":
		return ""
	}
	if consistent && kind != "static-rr" {
		return ""
	}
	return fmt.Sprintf("backend %s has new servers, and balance %s takes none at run time", name, algorithm)
}
