package httpapi

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// checkWrite closes the ways in which a page of another site could write with a visitor's browser: directly, as a form,
// and under a name of its own that it lets point here.
func (s *Server) checkWrite(c *call) error {
	if err := s.origins.Check(c.Request); err != nil {
		return &refusal{status: http.StatusForbidden, message: err.Error()}
	}
	if err := s.checkRebinding(c.Request); err != nil {
		return err
	}
	return checkContentType(c.Request)
}

// checkRebinding refuses what a browser sends to a server on loopback that asks for no credentials, when it came by a
// name of the public DNS: whoever owns the name can let it point to 127.0.0.1 after the page was loaded, and then counts
// as the same site.
func (s *Server) checkRebinding(r *http.Request) error {
	origin := r.Header.Get("Origin") // browsers send it with every write, other clients do not
	if origin == "" || !s.keys.Load().none() || !onLoopback(r) || s.trusts(r) {
		return nil
	}
	u, err := url.Parse(origin)
	if err == nil && s.localName(u.Hostname()) {
		return nil
	}
	return &refusal{
		status: http.StatusForbidden,
		message: fmt.Sprintf("origin %q: pages may write to this server by its address or as localhost only, "+
			"unless credentials are asked for", origin),
	}
}

func onLoopback(r *http.Request) bool {
	a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

// localName reports whether nobody outside can decide where name points.
func (s *Server) localName(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	host, _ := s.hostPort()
	return name == host || !strings.Contains(name, ".") || strings.HasSuffix(name, ".localhost") ||
		strings.HasSuffix(name, ".mesos")
}
