package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"berth/mlb/model"
	"berth/mlb/render"
	"berth/orchestrator/api"
)

// Input is what a load balancer does at present.
type Input struct {
	Model  *model.Model
	Output *render.Output
	Apps   []*api.AppInfo // with all of their tasks; nil when they are not known
	// Ports of the load balancer itself. NoHTTP says that the first two are closed.
	HTTPPort, HTTPSPort, StatsPort, AppIDPort int
	NoHTTP                                    bool
	HealthCheck                               bool // as in model.Options
}

// walk is one request on its way.
type walk struct {
	in       Input
	req      Request
	a        *Answer
	services map[string]*model.Service // by name, as far as they have a backend
	maps     map[string]map[string]string
}

// Explain follows a request.
func Explain(in Input, req Request) Answer {
	a := Answer{Request: fmt.Sprintf("%s://%s%s on port %d", req.Scheme, req.Host, req.Path, req.Port)}
	w := &walk{in: in, req: req, a: &a, services: map[string]*model.Service{}, maps: map[string]map[string]string{}}
	for _, f := range in.Output.Fragments {
		w.services[f.Service.Name] = f.Service
	}
	for _, m := range in.Output.Maps {
		w.maps[m.Name] = entries(m.Data)
	}
	switch {
	case req.Port == in.HTTPPort && !in.NoHTTP, req.Port == in.HTTPSPort && !in.NoHTTP:
		w.byHost()
	case req.Port == in.AppIDPort:
		w.byAppID()
	case req.Port == in.StatsPort:
		a.Entry, a.Rule = "statistics and admin pages", "the load balancer itself answers"
		a.Status, a.Why = 200, "if the page exists"
	default:
		w.byPort()
	}
	return a
}

func entries(data []byte) map[string]string {
	m := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		if k, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " "); ok {
			m[k] = v
		}
	}
	return m
}

func (w *walk) none(why string) { w.a.Status, w.a.Why = 503, why }

func (w *walk) byPort() {
	w.a.Entry = fmt.Sprintf("service port %d", w.req.Port)
	for _, s := range w.in.Model.Services {
		if s.Port == w.req.Port && !s.Unbound && w.services[s.Name] != nil {
			w.a.Rule = "everything on this port"
			w.backend(s)
			return
		}
	}
	w.a.Why = "nothing listens on this port"
	w.a.Notes = append(w.a.Notes, "the connection is refused")
	w.a.Status = 0
}

func (w *walk) byAppID() {
	w.a.Entry = "app id port"
	id := strings.ToLower(w.req.Header["x-marathon-app-id"])
	if id == "" {
		w.none("the header X-Marathon-App-Id is missing")
		return
	}
	name := ""
	for _, r := range w.in.Model.AppIDs {
		if r.App == id {
			name = r.Backend // with rules of its own it is not in the map
		}
	}
	if s := w.services[name]; s != nil {
		w.a.Rule = "X-Marathon-App-Id " + id
		w.backend(s)
		return
	}
	w.none("no http service of this load balancer has the app id " + id)
}

// backend walks through a backend's own rules, in their order: authentication, the redirect of /, networks, servers.
func (w *walk) backend(s *model.Service) {
	w.a.App, w.a.Backend = s.App, s.Name
	w.a.Servers = w.servers(s)
	if len(s.Templates) > 0 {
		w.note("texts of its own (%s) may change what becomes of it", strings.Join(labels(s), ", "))
	}
	if s.Mode == model.HTTP && s.Auth != nil && w.req.Header["authorization"] == "" {
		w.a.Status, w.a.Why = 401, "the app asks for a user and password"
		return
	}
	if s.Mode == model.HTTP && s.RedirectPath != "" && w.req.Path == "/" && w.redirects(s) {
		w.a.Status, w.a.Location, w.a.Why = 301, s.RedirectPath, "HTTP_BACKEND_REDIR redirects /"
		return
	}
	if !w.allowed(s) {
		return
	}
	for _, sv := range s.Servers {
		if !sv.Draining {
			return
		}
	}
	w.none("no server of the app takes requests")
}

// redirects is the condition of HTTP_BACKEND_REDIR: one of the hosts, or any where one ACL cannot say which.
func (w *walk) redirects(s *model.Service) bool {
	if render.AnyHost(s.VHosts) {
		return true
	}
	return slices.ContainsFunc(s.VHosts, func(h string) bool { return suffixCovers(h, w.req.Host) })
}

// allowed checks the networks that may use the app. A client of unknown address is taken for one of them.
func (w *walk) allowed(s *model.Service) bool {
	if len(s.AllowedNetworks) == 0 {
		return true
	}
	if !w.req.From.IsValid() {
		w.note("only clients of %s are let in; say --from ADDRESS to try one", strings.Join(s.AllowedNetworks, ", "))
		return true
	}
	for _, n := range s.AllowedNetworks {
		if p, err := netip.ParsePrefix(n); err == nil && p.Contains(w.req.From.Unmap()) {
			return true
		}
		if a, err := netip.ParseAddr(n); err == nil && a == w.req.From.Unmap() {
			return true
		}
	}
	if s.Mode == model.HTTP {
		w.a.Status = 403
	}
	w.a.Why = "the client is in none of the networks that may use the app"
	return false
}

func (w *walk) note(format string, args ...any) {
	w.a.Notes = append(w.a.Notes, fmt.Sprintf(format, args...))
}

func labels(s *model.Service) []string {
	var list []string
	for name := range s.Templates {
		list = append(list, fmt.Sprintf("HAPROXY_%d_%s", s.Index, name))
	}
	slices.Sort(list)
	return list
}
