package render

import (
	"fmt"
	"slices"
	"strings"

	"berth/mlb/model"
)

// tlsWords are the words of a bind line that a line of a crt-list takes as well, with the number of words that follow each
// (HAProxy 2.6, manual section 5.1, crt-list).
var tlsWords = map[string]int{
	"allow-0rtt": 0, "alpn": 1, "ca-file": 1, "ca-verify-file": 1, "ciphers": 1, "ciphersuites": 1, "crl-file": 1, "curves": 1,
	"ecdhe": 1, "no-ca-names": 0, "no-alpn": 0, "npn": 1, "ssl-max-ver": 1, "ssl-min-ver": 1, "verify": 1,
}

// tlsOptions splits bind options into those that hold for one virtual host, and the rest.
func tlsOptions(options string) (tls, rest []string) {
	words := strings.Fields(options)
	for len(words) > 0 {
		n, ok := tlsWords[words[0]]
		if !ok || len(words) < 1+n {
			rest = append(rest, words[0])
			words = words[1:]
			continue
		}
		tls = append(tls, strings.Join(words[:1+n], " "))
		words = words[1+n:]
	}
	return tls, rest
}

// vhost is what services say of TLS for one virtual host.
type vhost struct {
	host    string
	certs   []string
	options []string
}

// grouped is TLS by virtual host: marathon-lb.md section 10.5.
type grouped struct {
	list   []byte // the crt-list; empty when no service asks for anything
	guards string // rules that keep a client on the virtual host it was let in for
}

// groupHTTPS gathers certificates and TLS options of all services by virtual host. certs are the operator's.
func (r *Renderer) groupHTTPS(fragments []*Fragment, certs []string) (g grouped, found []model.Problem) {
	if !r.opt.GroupHTTPS || len(certs) == 0 {
		return grouped{}, nil
	}
	hosts := make(map[string]*vhost)
	for _, f := range fragments {
		s := f.Service
		if s.Mode != model.HTTP || s.SSLCert == "" && s.BindOptions == "" {
			continue
		}
		options, rest := tlsOptions(s.BindOptions)
		if len(rest) > 0 && len(s.VHosts) > 0 {
			found = append(found, model.Problem{
				App: s.App, Field: fmt.Sprintf("HAPROXY_%d_BIND_OPTIONS", s.Index), Severity: model.SeverityWarning,
				Value:  model.Shorten(strings.Join(rest, " ")),
				Reason: "holds on the service port only: the https port takes options of TLS for a virtual host",
			})
		}
		for _, h := range s.VHosts {
			v := hosts[h]
			if v == nil {
				v = &vhost{host: h}
				hosts[h] = v
			}
			if s.SSLCert != "" {
				v.certs = append(v.certs, r.usable(s.SSLCert)...)
			}
			v.options = append(v.options, options...)
		}
	}
	var list, guards strings.Builder
	for _, h := range sortedKeys(hosts) {
		hosts[h].write(&list, &guards, func() string { return r.certificateFor(h, certs) })
	}
	if list.Len() == 0 {
		return grouped{}, found
	}
	// The first certificate is for clients that name no host; the filter keeps it from anything else.
	head := r.certificateFor("", certs) + " !*\n"
	return grouped{list: []byte(head + list.String()), guards: guards.String()}, found
}

func (v *vhost) write(list, guards *strings.Builder, fallback func() string) {
	slices.Sort(v.options)
	options := strings.Join(slices.Compact(v.options), " ")
	certs := v.certs
	if len(certs) == 0 {
		certs = []string{fallback()}
	}
	slices.Sort(certs)
	if options != "" {
		options = " [" + options + "]"
	}
	for _, c := range slices.Compact(certs) {
		list.WriteString(c + options + " " + v.host + "\n")
	}
	if strings.Contains(options, "verify ") {
		// A client that was let in under another name has not shown the certificate that this one asks for.
		guards.WriteString("  http-request return status 421 if { var(txn.host) " + hostMatch(v.host) +
			" } !{ ssl_fc_sni,lower,strcmp(txn.host) eq 0 }\n")
	}
}

func (r *Renderer) certificateFor(host string, certs []string) string {
	if r.opt.CertificateFor != nil {
		if file := r.opt.CertificateFor(host); file != "" {
			return file
		}
	}
	return certs[0]
}

// usable is what stands for a certificate at present.
func (r *Renderer) usable(path string) []string {
	if r.opt.Replace == nil {
		return []string{path}
	}
	return r.opt.Replace(path)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
