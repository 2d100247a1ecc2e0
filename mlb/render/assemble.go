package render

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/mlb/model"
)

// assemble puts the configuration together, in the order of marathon-lb.md section 9.1, and marks it.
func (r *Renderer) assemble(out *Output, own *ownRules, spare *model.Spare) []model.Problem {
	head := Section{"head", r.head()}
	shared := []Section{}
	if !r.opt.NoHTTP {
		shared = append(shared, Section{"http", r.httpFrontend(own)})
	}
	shared = append(shared, Section{"appid", r.appIDFrontend(own)})
	var found []model.Problem
	if certs := r.certificates(out.Fragments); len(certs) > 0 && !r.opt.NoHTTP {
		var g grouped
		g, found = r.groupHTTPS(out.Fragments, certs)
		if len(g.list) > 0 {
			out.Maps = append(slices.Clone(out.Maps), Map{CertList, g.list})
			slices.SortFunc(out.Maps, func(a, b Map) int { return strings.Compare(a.Name, b.Name) })
		}
		shared = append(shared, Section{"https", r.httpsFrontend(own, certs, g)})
	}
	if spare != nil && len(spare.Ports) > 0 {
		shared = append(shared, Section{"spare", r.spareFrontends(spare)})
	}
	steering := r.global("")
	sum := summary(head.Text, steering, shared, out.Fragments)
	out.Marker = "mlb:" + hex.EncodeToString(sum[:8])
	out.Sum = r.maps.sum(sum, out.Maps)
	out.Shared = append([]Section{head, {"global", steering}}, shared...)
	global, fragments := r.global(out.Marker), out.Fragments
	out.config = &config{make: func() []byte { return join(head.Text, global, shared, fragments) }}
	return found
}

// summary sums up everything that HAProxy is told but for its maps.
func summary(head, steering string, shared []Section, fragments []*Fragment) []byte {
	h := sha256.New()
	add := func(text string) { // each with its length, so that no text can pass for two
		fmt.Fprintf(h, "%d ", len(text))
		h.Write([]byte(text))
	}
	add(head)
	add(steering)
	for _, s := range shared {
		add(s.Text)
	}
	for _, f := range fragments {
		h.Write(f.digest[:])
	}
	return h.Sum(nil)
}

// join writes all parts one after the other, with an empty line between sections.
func join(head, global string, shared []Section, fragments []*Fragment) []byte {
	size := len(head) + len(global) + 16
	for _, s := range shared {
		size += len(s.Text) + 1
	}
	for _, f := range fragments {
		size += len(f.Userlist) + len(f.Frontend) + len(f.Backend) + 3
		for _, l := range f.Servers {
			size += len(l.Line)
		}
	}
	b := make([]byte, 0, size)
	add := func(s string) {
		if s != "" {
			b = append(append(b, s...), '\n')
		}
	}
	add(head)
	add(global)
	for _, f := range fragments {
		add(f.Userlist)
	}
	for _, s := range shared {
		add(s.Text)
	}
	for _, f := range fragments {
		add(f.Frontend)
	}
	for _, f := range fragments {
		b = append(b, f.Backend...)
		for _, l := range f.Servers {
			b = append(b, l.Line...)
		}
		b = append(b, '\n')
	}
	return append(bytes.TrimRight(b, "\n"), '\n')
}

// text renders a template of the operator's side. A text that fails when it runs gives way to the default.
func (r *Renderer) text(name string, values ...string) string {
	var b bytes.Buffer
	if err := r.put(&b, nil, name, values...); err != nil {
		b.Reset()
		if err := defaultTexts[name].execute(&b, values); err != nil {
			panic(fmt.Sprintf("template %s: %v", name, err)) // the embedded one: a mistake of ours, met by every test
		}
	}
	return b.String()
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return ""
}

func (r *Renderer) bind(port int) string { return r.opt.Addr + ":" + strconv.Itoa(port) }

// front is what a port for host names is bound to.
func (r *Renderer) front(port int) string {
	if r.opt.AcceptProxy {
		return r.bind(port) + " accept-proxy"
	}
	return r.bind(port)
}

func (r *Renderer) head() string {
	o := r.opt
	conns, each := "", "10000"
	if o.MaxConn > 0 {
		conns, each = strconv.Itoa(o.MaxConn), strconv.Itoa(min(o.MaxConn, 10000))
	}
	return r.text("HEAD", o.Log, flag(o.AccessLog), conns, each,
		o.StateFile, optionLines(o.DefaultOptions), o.StatsAddr+":"+strconv.Itoa(o.StatsPort), o.AdminSocket, flag(o.StatsUser != ""))
}

// optionLines writes the options sorted and without repeats (section 8.5).
func optionLines(options []string) string {
	list := make([]string, 0, len(options))
	for _, o := range options {
		if o = strings.Join(strings.Fields(o), " "); o != "" {
			list = append(list, o)
		}
	}
	slices.Sort(list)
	var b strings.Builder
	for _, o := range slices.Compact(list) {
		b.WriteString("  option " + o + "\n")
	}
	return b.String()
}

// global is what HAProxy must be told whatever HEAD says.
func (r *Renderer) global(mark string) string {
	o := r.opt
	reloads := ""
	if o.MaxReloads > 0 {
		reloads = strconv.Itoa(o.MaxReloads)
	}
	spread := ""
	if o.HAProxy.AtLeast(2, 6) { // where close-spread-time is new
		spread = span(o.CloseSpread)
	}
	return r.text("GLOBAL", mark, o.StatsSocket, o.StateFile, span(o.HardStopAfter), spread, reloads, o.User, o.Group,
		o.AdminSocket, o.StatsUser, o.StatsPassword)
}

func span(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return strconv.FormatInt(max(1, d.Milliseconds()), 10) + "ms"
}

func (r *Renderer) httpFrontend(own *ownRules) string {
	dir := r.opt.MapDir
	return r.text("HTTP_FRONTEND_HEAD", r.front(r.opt.HTTPPort), flag(r.opt.AccessLog)) +
		r.text("FRONTEND_HTTP_OPTIONS") +
		r.text("MAP_FRONTEND_LOOKUP", dir) +
		r.turns(own, own.http) +
		r.text("MAP_HTTP_FRONTEND_REDIRECT", dir, r.httpsPort()) +
		own.http.useLines() + r.text("MAP_HTTP_FRONTEND_ACL", dir)
}

// turns are the rules of services that have some of their own. What they take is nobody else's any more.
func (r *Renderer) turns(own *ownRules, list rules) string {
	if own.cells == nil {
		return ""
	}
	return r.text("MAP_FRONTEND_OWN_LOOKUP", r.opt.MapDir) + list.text() +
		"  http-request unset-var(txn.backend) if " + ownPrefix + "taken\n"
}

func (r *Renderer) httpsFrontend(own *ownRules, certs []string, g grouped) string {
	dir := r.opt.MapDir
	list := "crt " + strings.Join(certs, " crt ")
	if len(g.list) > 0 { // first, so that nothing goes before what it says of a host
		list = "crt-list " + dir + "/" + CertList + " " + list
	}
	return r.text("HTTPS_FRONTEND_HEAD", list, r.front(r.opt.HTTPSPort), flag(r.opt.AccessLog)) +
		r.text("FRONTEND_HTTP_OPTIONS") +
		r.text("MAP_FRONTEND_LOOKUP", dir) +
		g.guards + r.turns(own, own.https) + own.https.useLines() + r.text("MAP_HTTPS_FRONTEND_ACL", "", dir)
}

func (r *Renderer) appIDFrontend(own *ownRules) string {
	return r.text("HTTP_FRONTEND_APPID_HEAD", r.bind(r.opt.AppIDPort), flag(r.opt.AccessLog)) +
		r.text("FRONTEND_HTTP_OPTIONS") +
		own.appID.text() + own.appID.useLines() + r.text("MAP_HTTP_FRONTEND_APPID_ACL", r.opt.MapDir)
}

// certificates are the operator's, in their order, then those that services with a virtual host bring, sorted. Without
// one of the operator's there is no https port: no app decides what strangers are shown.
func (r *Renderer) certificates(fragments []*Fragment) []string {
	if len(r.opt.Certificates) == 0 {
		return nil
	}
	var own []string
	for _, f := range fragments {
		if s := f.Service; s.SSLCert != "" && s.Mode == model.HTTP && len(s.VHosts) > 0 && !r.opt.GroupHTTPS {
			own = append(own, s.SSLCert)
		}
	}
	slices.Sort(own)
	list := slices.Clone(r.opt.Certificates)
	for _, c := range slices.Compact(own) {
		if !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	var usable []string
	for _, c := range list {
		usable = append(usable, r.usable(c)...)
	}
	return usable
}
