package explain

import (
	"fmt"
	"strings"

	"berth/mlb/model"
	"berth/mlb/render"
)

// byHost does what the frontends on the http and https ports do: the rules of services that have some of their own, as far as
// it is their turn, then the maps.
func (w *walk) byHost() {
	https := w.req.Port == w.in.HTTPSPort
	w.a.Entry = "http port"
	if https {
		w.a.Entry = "https port"
	}
	found, rule := w.lookup(render.PathMap, render.DomainMap)
	defer w.losers()
	turns, _ := w.lookup(render.OwnMap, "")
	for _, own := range w.in.Output.Own {
		switch s := own.Service; {
		case !strings.Contains(turns, "|"+s.Name+"|") || !w.matches(own):
		case !https && w.redirect(s, ownRule(own), s.RedirectToHTTPS):
			return
		default:
			w.a.Rule = ownRule(own)
			w.backend(s)
			return
		}
	}
	if !https && w.redirect(w.services[found], rule, found != "" && w.maps[render.RedirectMap][found] != "") {
		return
	}
	if s := w.services[found]; s != nil {
		w.a.Rule = rule
		w.backend(s)
		return
	}
	w.none("no app of this load balancer has this host and path")
}

// redirect answers for a service whose plain requests are sent to https.
func (w *walk) redirect(s *model.Service, rule string, applies bool) bool {
	if s == nil || !applies {
		return false
	}
	port := ""
	if w.in.HTTPSPort != 443 {
		port = fmt.Sprintf(":%d", w.in.HTTPSPort)
	}
	w.a.Rule, w.a.App, w.a.Backend = rule, s.App, s.Name
	w.a.Status, w.a.Location = 301, "https://"+w.req.Host+port+w.req.Path+w.req.Query
	w.a.Why = "REDIRECT_TO_HTTPS"
	return true
}

// lookup is MAP_FRONTEND_LOOKUP: for the host, then for ever shorter domains, the longest path, then the host alone.
// MAP_FRONTEND_OWN_LOOKUP looks for the path only.
func (w *walk) lookup(paths, hosts string) (value, rule string) {
	host, domain := w.req.Host, w.req.Host
	for level := 0; ; level++ {
		if v, key := longest(w.maps[paths], host+w.req.Path); v != "" {
			return v, fmt.Sprintf("host and path %s (%s)", key, paths)
		}
		if v := w.maps[hosts][host]; v != "" {
			return v, fmt.Sprintf("host %s (%s)", host, hosts)
		}
		_, rest, ok := strings.Cut(domain, ".")
		if !ok || level == model.WildcardLevels {
			return "", ""
		}
		domain = rest
		host = "*." + domain
	}
}

// longest is HAProxy's map_beg: the longest key with which the text begins.
func longest(m map[string]string, text string) (value, key string) {
	for n := len(text); n > 0; n-- {
		if v, ok := m[text[:n]]; ok {
			return v, text[:n]
		}
	}
	return "", ""
}

// matches is the condition of a service's own rules, as the default templates write it.
func (w *walk) matches(own render.OwnRoute) bool {
	for _, h := range own.Hosts {
		if suffixCovers(h, w.req.Host) {
			return underPath(own.Service, w.req.Path)
		}
	}
	return false
}

func underPath(s *model.Service, path string) bool {
	if len(s.Paths) == 0 {
		return true
	}
	if s.PathFlags == "-i" {
		path = strings.ToLower(path)
	}
	for _, p := range s.Paths {
		if s.PathFlags == "-i" {
			p = strings.ToLower(p)
		}
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

func ownRule(own render.OwnRoute) string {
	rule := "own rule for " + strings.Join(own.Hosts, ", ")
	if len(own.Service.Paths) > 0 {
		rule += " below " + strings.Join(own.Service.Paths, ", ")
	}
	return rule
}

// suffixCovers reports whether an own rule for a host, or a wildcard, takes a name: "-m end" knows no levels.
func suffixCovers(pattern, host string) bool {
	if domain, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasSuffix(host, domain)
	}
	return pattern == host
}

// covers is the same for the maps, which look at a few levels.
func covers(pattern, host string) bool {
	if domain, ok := strings.CutPrefix(pattern, "*"); ok {
		front, ok := strings.CutSuffix(host, domain)
		return ok && strings.Count(front, ".") < model.WildcardLevels
	}
	return pattern == host
}
