package client

import (
	"fmt"
	"net/url"
	"strings"
)

// endpoint is one base URL, its credentials taken out so that it can be logged as it is.
type endpoint struct {
	base           *url.URL
	name           string // base as text
	user, password string
	hasUser        bool
}

func parseEndpoints(urls []string) ([]endpoint, error) {
	if len(urls) == 0 {
		return nil, fmt.Errorf("no URL of an orchestrator given")
	}
	ends := make([]endpoint, 0, len(urls))
	for i, s := range urls {
		e, ok := parseEndpoint(s)
		if !ok { // the text may hold a password, also in what url.Parse says of it
			return nil, fmt.Errorf("URL %d of %d: expected http[s]://[user:password@]host[:port][/path]", i+1, len(urls))
		}
		ends = append(ends, e)
	}
	return ends, nil
}

func parseEndpoint(s string) (endpoint, bool) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return endpoint{}, false
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return endpoint{}, false
	}
	var e endpoint
	if u.User != nil {
		e.hasUser = true
		e.user = u.User.Username()
		e.password, _ = u.User.Password()
		u.User = nil
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	e.base, e.name = u, u.String()
	return e, true
}

// url appends path, which starts with a slash, and query to the base.
func (e endpoint) url(path string, query url.Values) *url.URL {
	u := e.base.JoinPath(escapePath(path))
	u.RawQuery = query.Encode()
	return u
}

// escapePath escapes each segment of an unescaped path.
func escapePath(p string) string {
	segs := strings.Split(p, "/")
	for i, s := range segs {
		segs[i] = url.PathEscape(s)
	}
	return strings.Join(segs, "/")
}

// redact is u as text without credentials and query.
func redact(u *url.URL) string {
	v := *u
	v.User, v.RawQuery, v.Fragment = nil, "", ""
	return v.String()
}
