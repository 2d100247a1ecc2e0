package render

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"berth/mlb/model"
)

// fragment writes down one service.
func (r *Renderer) fragment(s *model.Service) (*Fragment, error) {
	f := &Fragment{Service: s}
	var b bytes.Buffer
	b.Grow(1024)
	var err error
	if s.Spare {
		return f, r.spare(&b, f)
	}
	if f.Userlist, err = r.userlist(&b, s); err != nil {
		return nil, err
	}
	if f.Frontend, err = r.frontend(&b, s); err != nil {
		return nil, err
	}
	if f.Backend, err = r.backend(&b, s); err != nil {
		return nil, err
	}
	if err := r.servers(&b, f); err != nil {
		return nil, err
	}
	if err := checkFragment(f); err != nil {
		return nil, err
	}
	if r.opt.Check != nil && (len(s.Templates) > 0 || s.BindOptions != "") {
		if err := r.opt.Check(f); err != nil {
			return nil, err
		}
	}
	f.seal()
	return f, nil
}

// seal sums up what the fragment says, for the marker.
func (f *Fragment) seal() {
	h := sha256.New()
	for _, s := range []string{f.Userlist, f.Frontend, f.Backend} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	for _, l := range f.Servers {
		h.Write([]byte(l.Line))
	}
	h.Sum(f.digest[:0])
}

// take returns what b holds and empties it.
func take(b *bytes.Buffer) string {
	s := b.String()
	b.Reset()
	return s
}

func (r *Renderer) userlist(b *bytes.Buffer, s *model.Service) (string, error) {
	if s.Auth == nil {
		return "", nil
	}
	err := r.put(b, s, "USERLIST_HEAD", s.Name, s.Auth.User, s.Auth.PasswordHash)
	return take(b), err
}

func (r *Renderer) frontend(b *bytes.Buffer, s *model.Service) (string, error) {
	if s.Unbound {
		return "", nil
	}
	cert, options := "", ""
	if s.SSLCert != "" {
		list := r.usable(s.SSLCert)
		if len(list) == 0 {
			return "", templateError{"SSL_CERT", fmt.Errorf("certificate %s cannot be used", s.SSLCert)}
		}
		cert = " ssl crt " + strings.Join(list, " crt ")
	}
	if s.BindOptions != "" {
		options = " " + s.BindOptions
	}
	addr := s.BindAddr
	if addr == "*" {
		addr = r.opt.Addr
	}
	err := r.put(b, s, "FRONTEND_HEAD", addr, s.Name, strconv.Itoa(s.Port), string(s.Mode), cert, options)
	if s.Mode == model.HTTP && err == nil {
		err = r.put(b, s, "FRONTEND_HTTP_OPTIONS")
	}
	if err == nil {
		err = r.put(b, s, "FRONTEND_BACKEND_GLUE", s.Name)
	}
	return take(b), err
}

// backend writes everything but the servers, in the order of marathon-lb.md section 9.2 but for two: authentication comes
// first, so that no later rule that allows a request can skip it, and the redirect of / looks at the path before a prefix
// is taken off.
func (r *Renderer) backend(b *bytes.Buffer, s *model.Service) (string, error) {
	err := r.put(b, s, "BACKEND_HEAD", s.Name, s.Balance, string(s.Mode))
	if s.Mode == model.HTTP && err == nil {
		err = r.httpBackend(b, s)
	}
	if len(s.AllowedNetworks) > 0 && err == nil {
		err = r.networks(b, s)
	}
	if s.Sticky && err == nil {
		err = r.put(b, s, "BACKEND_STICKY_OPTIONS")
	}
	if s.HealthCheck != nil && err == nil {
		name := "BACKEND_TCP_HEALTHCHECK_OPTIONS"
		if s.ChecksHTTP() {
			name = "BACKEND_HTTP_HEALTHCHECK_OPTIONS"
		}
		err = r.put(b, s, name, healthValues(s, s.HealthCheck.Port, false)...)
	}
	return take(b), err
}

func (r *Renderer) httpBackend(b *bytes.Buffer, s *model.Service) error {
	hosts, matches := strings.Join(s.VHosts, ","), hostMatches(s.VHosts)
	steps := []struct {
		on     bool
		name   string
		values []string
	}{
		{s.Auth != nil, "BACKEND_AUTH", []string{s.Name, realm(s)}},
		{s.HSTS, "BACKEND_HSTS_OPTIONS", nil},
		{true, "BACKEND_HTTP_OPTIONS", []string{flag(r.opt.OverwriteForwarded)}},
		{s.RedirectPath != "", "HTTP_BACKEND_REDIR", []string{hosts, s.RedirectPath, escapeFormat(s.RedirectPath), matches}},
		{s.ProxypassPath != "", "HTTP_BACKEND_PROXYPASS_GLUE", []string{
			hosts, s.ProxypassPath, firstExact(s.VHosts), severalMatches(s.VHosts), foldRegex(s.ProxypassPath),
		}},
		{s.RevproxyPath != "", "HTTP_BACKEND_REVPROXY_GLUE", []string{
			hosts, s.RevproxyPath, hostsRegex(s.VHosts), escapeFormat(s.RevproxyPath),
		}},
	}
	for _, step := range steps {
		if !step.on {
			continue
		}
		if err := r.put(b, s, step.name, step.values...); err != nil {
			return err
		}
	}
	return nil
}

func (r *Renderer) networks(b *bytes.Buffer, s *model.Service) error {
	prefix := "TCP_BACKEND_"
	if s.Mode == model.HTTP {
		prefix = "HTTP_BACKEND_"
	}
	for _, n := range s.AllowedNetworks {
		if err := r.put(b, s, prefix+"NETWORK_ALLOWED_ACL", n); err != nil {
			return err
		}
	}
	return r.put(b, s, prefix+"ACL_ALLOW_DENY")
}

// servers writes the server lines; most servers of a service share their health options.
func (r *Renderer) servers(b *bytes.Buffer, f *Fragment) error {
	s := f.Service
	f.Servers = make([]ServerLine, len(s.Servers))
	healthPort, health := -1, ""
	ends := make([]int, len(s.Servers))
	var words bytes.Buffer
	for i := range s.Servers {
		sv := &s.Servers[i]
		options := ""
		if sv.Check != nil && s.HealthCheck != nil {
			if sv.Check.Port != healthPort {
				var err error
				if health, err = r.serverHealth(&words, s, sv); err != nil {
					return err
				}
				healthPort = sv.Check.Port
			}
			options = health
		}
		cookie, other := "", ""
		switch {
		case sv.Cookie != "":
			cookie = " check cookie " + sv.Cookie
		case sv.Check != nil && s.HealthCheck == nil:
			cookie = " check"
		}
		if sv.Weighted {
			other = " weight " + strconv.Itoa(sv.Weight)
		}
		if sv.Draining {
			other += " disabled"
		}
		err := r.put(b, s, "BACKEND_SERVER_OPTIONS", sv.Name, bracket(sv.IP), strconv.Itoa(sv.Port), strconv.Itoa(sv.ID),
			cookie, options, other, sv.Host)
		if err != nil {
			return err
		}
		ends[i] = b.Len()
	}
	all, from := take(b), 0
	for i, end := range ends {
		f.Servers[i] = ServerLine{Name: s.Servers[i].Name, Line: all[from:end]}
		from = end
	}
	return nil
}

func (r *Renderer) serverHealth(b *bytes.Buffer, s *model.Service, sv *model.Server) (string, error) {
	name := "BACKEND_SERVER_TCP_HEALTHCHECK_OPTIONS"
	if sv.Check.HTTP {
		name = "BACKEND_SERVER_HTTP_HEALTHCHECK_OPTIONS"
	}
	err := r.put(b, s, name, healthValues(s, sv.Check.Port, sv.Check.TLS)...)
	if words := strings.TrimSpace(take(b)); words != "" {
		return " " + words, err
	}
	return "", err
}

func bracket(ip string) string {
	if a, err := netip.ParseAddr(ip); err == nil && a.Is6() {
		return "[" + ip + "]"
	}
	return ip
}
