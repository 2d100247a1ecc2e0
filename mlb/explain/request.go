// Package explain says where a request would go and why: which rule takes it, which rules do not, and which servers are
// behind it. It walks through what render wrote down, by the same steps as HAProxy, and is pure.
//
//	model.Model + render.Output + Request → Explain → Answer
package explain

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Request is what a client sends.
type Request struct {
	Scheme string            // http or https
	Host   string            // as in the Host header, without port, lower case
	Port   int               // that the client connects to
	Path   string            // as sent, with percent signs, without query
	Query  string            // with its question mark, or ""
	Header map[string]string // by name in lower case
	From   netip.Addr        // of the client; the zero Addr when unknown
}

const (
	maxURL     = 8 << 10
	maxHeaders = 100
)

// ParseRequest reads a URL and header lines, "Name=value" or "Name: value". Without a port in the URL the scheme's own is
// meant: httpPort or httpsPort. A Host header wins over the URL's host.
func ParseRequest(text string, headers []string, httpPort, httpsPort int) (Request, error) {
	if len(text) > maxURL || len(headers) > maxHeaders {
		return Request{}, fmt.Errorf("explain: expected a URL of at most %d bytes and %d headers", maxURL, maxHeaders)
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return Request{}, fmt.Errorf("explain: URL %q: expected http://host/path or https://host/path", text)
	}
	r := Request{Scheme: u.Scheme, Port: httpPort, Path: u.EscapedPath(), Header: map[string]string{}}
	if u.Scheme == "https" {
		r.Port = httpsPort
	}
	if p := u.Port(); p != "" {
		if r.Port, err = strconv.Atoi(p); err != nil || r.Port < 1 || r.Port > 65535 {
			return Request{}, fmt.Errorf("explain: URL %q: expected a port from 1 to 65535", text)
		}
	}
	if r.Path == "" {
		r.Path = "/"
	}
	if u.RawQuery != "" {
		r.Query = "?" + u.RawQuery
	}
	host := u.Host
	for _, h := range headers {
		name, value, ok := strings.Cut(h, "=")
		if n, v, colon := strings.Cut(h, ":"); colon && (!ok || len(n) < len(name)) {
			name, value, ok = n, v, true
		}
		if name = strings.TrimSpace(name); !ok || name == "" {
			return Request{}, fmt.Errorf("explain: header %q: expected Name=value", h)
		}
		r.Header[strings.ToLower(name)] = strings.TrimSpace(value)
	}
	if h := r.Header["host"]; h != "" {
		host = h
	}
	r.Host = hostOnly(host)
	return r, nil
}

// hostOnly takes the port and a final dot off, as MAP_FRONTEND_LOOKUP does.
func hostOnly(host string) string {
	host = strings.ToLower(host)
	if end := strings.LastIndexByte(host, ':'); end >= 0 && !strings.HasSuffix(host, "]") &&
		strings.Trim(host[end+1:], "0123456789") == "" {
		host = host[:end]
	}
	return strings.TrimSuffix(host, ".")
}
