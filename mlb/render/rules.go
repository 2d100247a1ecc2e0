package render

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"berth/mlb/model"
)

// ownRules are the rules of services that have left the maps, because a text of their own takes part in their routing.
type ownRules struct {
	services map[string]bool // backends that are in no host map
	apps     map[string]bool // backends that are not in the app id map

	http, https sharedRules
	appID       string
	routes      []OwnRoute

	acls map[string]string // name of an ACL → app that defined it
}

// sharedRules are lines for one of the frontends that all apps share. HAProxy runs all http rules before it chooses a
// backend, so the order between the two kinds is only a matter of tidiness.
type sharedRules struct {
	rules         string // ACLs and http rules
	before, after string // choices of a backend, before and after that of the maps
}

func (sr *sharedRules) add(text string, weight int) {
	var rules, uses strings.Builder
	for line := range strings.Lines(text) {
		if firstWord(strings.TrimSuffix(line, "\n")) == "use_backend" {
			uses.WriteString(line)
		} else {
			rules.WriteString(line)
		}
	}
	sr.rules += rules.String()
	if weight < 0 {
		sr.after += uses.String()
	} else {
		sr.before += uses.String()
	}
}

// ruleSet is one row of the tables of marathon-lb.md section 10.1: what is written once before the hosts, for each
// host, and once after them.
type ruleSet struct{ before, each, after []string }

func (rs ruleSet) names() []string { return slices.Concat(rs.before, rs.each, rs.after) }

// httpRules is the row for port 80.
func httpRules(s *model.Service) ruleSet {
	many, paths, auth := len(s.VHosts) > 1, len(s.Paths) > 0, s.Auth != nil
	set := func(before, each, after string) ruleSet {
		return ruleSet{vars(before), vars(each), vars(after)}
	}
	pathACL := "HTTP_FRONTEND_ACL_ONLY_WITH_PATH"
	if auth && many {
		pathACL = "HTTP_FRONTEND_ACL_ONLY_WITH_PATH_AND_AUTH"
	}
	switch {
	case s.RedirectToHTTPS && paths:
		return set(pathACL, "HTTP_FRONTEND_ACL_ONLY", "BACKEND_REDIRECT_HTTP_TO_HTTPS_WITH_PATH")
	case s.RedirectToHTTPS && many:
		return set("", "HTTP_FRONTEND_ACL_ONLY", "BACKEND_REDIRECT_HTTP_TO_HTTPS")
	case s.RedirectToHTTPS:
		return set("", "HTTP_FRONTEND_ACL", "BACKEND_REDIRECT_HTTP_TO_HTTPS")
	case many && paths && auth:
		return set(pathACL, "HTTP_FRONTEND_ACL_ONLY", "HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH_AND_AUTH")
	case many && paths:
		return set(pathACL, "HTTP_FRONTEND_ACL_ONLY", "HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH")
	case many && auth:
		return set("", "HTTP_FRONTEND_ACL_ONLY", "HTTP_FRONTEND_ROUTING_ONLY_WITH_AUTH")
	case many:
		return set("", "HTTP_FRONTEND_ACL_ONLY", "HTTP_FRONTEND_ROUTING_ONLY")
	case paths && auth:
		return set("", "HTTP_FRONTEND_ACL_WITH_AUTH_AND_PATH", "")
	case paths:
		return set("", "HTTP_FRONTEND_ACL_WITH_PATH", "")
	case auth:
		return set("", "HTTP_FRONTEND_ACL_WITH_AUTH", "")
	}
	return set("", "HTTP_FRONTEND_ACL", "")
}

// httpsRules is the row for port 443 (section 10.2); hosts are compared with Host there too.
func httpsRules(s *model.Service) ruleSet {
	each := "HTTPS_FRONTEND_ACL"
	switch paths, auth := len(s.Paths) > 0, s.Auth != nil; {
	case paths && auth:
		each += "_WITH_AUTH_AND_PATH"
	case paths:
		each += "_WITH_PATH"
	case auth:
		each += "_WITH_AUTH"
	}
	rs := ruleSet{each: []string{each}}
	if len(s.Paths) > 0 {
		rs.before = []string{"HTTPS_FRONTEND_ACL_ONLY_WITH_PATH"}
	}
	return rs
}

// leavesMaps reports whether a service needs rules of its own: a text that routes it was replaced, by its label or by
// the operator, or its paths match in any case.
func (r *Renderer) leavesMaps(s *model.Service) bool {
	if len(s.VHosts) == 0 {
		return false
	}
	if s.PathFlags != "" {
		return true
	}
	if len(s.Templates) == 0 && len(r.replaced) == 0 {
		return false
	}
	return slices.ContainsFunc(slices.Concat(httpRules(s).names(), httpsRules(s).names()), func(name string) bool {
		return r.replaced[name] || s.Templates[name] != ""
	})
}

// ownRules finds the services that leave the maps and writes their rules.
func (r *Renderer) ownRules(m *model.Model, missing map[string]bool) (*ownRules, []model.Problem) {
	o := &ownRules{services: make(map[string]bool), apps: make(map[string]bool), acls: make(map[string]string)}
	var found []model.Problem
	services := r.leavers(m, missing)
	routed := routedHosts(m, services)
	for _, s := range services {
		o.services[s.Name] = true
	}
	for _, s := range services {
		hosts := slices.DeleteFunc(slices.Clone(s.VHosts), func(h string) bool { return !slices.Contains(routed[s.Name], h) })
		if len(hosts) > 0 && !r.opt.NoHTTP {
			if err := r.writeOwn(o, s, hosts, services); err != nil {
				found = append(found, failure(s, err, "its virtual hosts are left out"))
				continue
			}
			o.routes = append(o.routes, OwnRoute{Service: s, Hosts: hosts})
		}
	}
	found = append(found, r.appRules(o, m, missing)...)
	return o, found
}

// leavers are the services that leave the maps, in the order of their rules. Whoever shares a host with one of them
// leaves too, so that the order among them stays as it is.
func (r *Renderer) leavers(m *model.Model, missing map[string]bool) []*model.Service {
	var list, rest []*model.Service
	for _, s := range m.Services {
		if r.leavesMaps(s) && !missing[s.Name] {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil
	}
	for _, s := range m.Services {
		if len(s.VHosts) > 0 && !r.leavesMaps(s) && !missing[s.Name] {
			rest = append(rest, s)
		}
	}
	hosts := make(map[string]bool)
	for next := list; len(next) > 0; {
		for _, s := range next {
			for _, h := range s.VHosts {
				hosts[h] = true
			}
		}
		shares := func(s *model.Service) bool {
			return slices.ContainsFunc(s.VHosts, func(h string) bool { return hosts[h] })
		}
		next = nil
		for _, s := range rest {
			if shares(s) {
				next = append(next, s)
			}
		}
		rest = slices.DeleteFunc(rest, shares)
		list = append(list, next...)
	}
	slices.SortStableFunc(list, func(a, b *model.Service) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), cmp.Compare(wildcards(a), wildcards(b)),
			cmp.Compare(longest(b.Paths), longest(a.Paths)), cmp.Compare(a.App, b.App), cmp.Compare(a.Port, b.Port))
	})
	return list
}

func wildcards(s *model.Service) int {
	n := 0
	for _, h := range s.VHosts {
		if strings.HasPrefix(h, "*.") {
			n = 1
		}
	}
	return n
}

func longest(list []string) int {
	n := 0
	for _, s := range list {
		n = max(n, len(s))
	}
	return n
}

// routedHosts lists the hosts that the model really leads to each of the services.
func routedHosts(m *model.Model, services []*model.Service) map[string][]string {
	if len(services) == 0 {
		return nil
	}
	hosts := make(map[string][]string)
	for _, s := range services {
		hosts[s.Name] = nil
	}
	for _, h := range m.Hosts {
		if list, ok := hosts[h.Backend]; ok && !slices.Contains(list, h.Host) {
			hosts[h.Backend] = append(list, h.Host)
		}
	}
	return hosts
}

// writeOwn adds the rules of s for those of its hosts that lead to it, or nothing at all.
func (r *Renderer) writeOwn(o *ownRules, s *model.Service, hosts []string, all []*model.Service) error {
	c := *s
	c.VHosts = hosts
	http, err := r.writeRules(&c, httpRules(&c))
	if err != nil {
		return err
	}
	https, err := r.writeRules(&c, httpsRules(&c))
	if err != nil {
		return err
	}
	if http, err = r.confined(&c, http, httpRules(&c), all); err != nil {
		return err
	}
	if https, err = r.confined(&c, https, httpsRules(&c), all); err != nil {
		return err
	}
	if err := o.claimACLs(s.App, http+https); err != nil {
		return err
	}
	o.http.add(http, s.Weight)
	o.https.add(https, s.Weight)
	return nil
}

// confined keeps the rules of s to its own hosts when s brought any of their texts itself.
func (r *Renderer) confined(s *model.Service, text string, rs ruleSet, all []*model.Service) (string, error) {
	if !slices.ContainsFunc(rs.names(), func(name string) bool { return s.Templates[name] != "" }) {
		return text, nil
	}
	others := append([]string{"var(txn.backend) -m found"}, ownHosts(claimedByOthers(all, s))...)
	return confine(s.Name, text, ownHosts(s.VHosts), pathsOf(s), others)
}

// claimedByOthers lists the hosts of services that have left the maps, without those of s.
func claimedByOthers(services []*model.Service, s *model.Service) []string {
	var hosts []string
	for _, other := range services {
		for _, h := range other.VHosts {
			if other.Name != s.Name && !slices.Contains(s.VHosts, h) && !slices.Contains(hosts, h) {
				hosts = append(hosts, h)
			}
		}
	}
	return hosts
}

// claimACLs refuses a name that another app has defined: HAProxy would take either condition for both.
func (o *ownRules) claimACLs(app, text string) error {
	var names []string
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "acl" {
			if owner, ok := o.acls[fields[1]]; ok && owner != app {
				return fmt.Errorf("the ACL %s is already that of app %s", model.Shorten(fields[1]), model.Shorten(owner))
			}
			names = append(names, fields[1])
		}
	}
	for _, n := range names {
		o.acls[n] = app
	}
	return nil
}

func (r *Renderer) writeRules(s *model.Service, rs ruleSet) (string, error) {
	var b bytes.Buffer
	write := func(names []string, host string) error {
		for _, name := range names {
			if err := r.put(&b, s, name, r.ruleValues(s, host)...); err != nil {
				return err
			}
		}
		return nil
	}
	if err := write(rs.before, s.VHosts[0]); err != nil {
		return "", err
	}
	for _, h := range s.VHosts {
		if err := write(rs.each, h); err != nil {
			return "", err
		}
	}
	err := write(rs.after, s.VHosts[0])
	return b.String(), err
}

// ruleValues are the values in the order of ruleVars. All hosts of a service share the ACL named after the first one.
func (r *Renderer) ruleValues(s *model.Service, host string) []string {
	return []string{
		aclSuffix(s), host, hostMatch(host), s.Name, s.App, pathsOf(s), realm(s), s.BindAddr, r.httpsPort(),
	}
}

// pathsOf is the argument of path_beg, "" for every path.
func pathsOf(s *model.Service) string {
	paths := strings.Join(s.Paths, " ")
	if s.PathFlags != "" {
		return s.PathFlags + " " + paths
	}
	return paths
}

func aclSuffix(s *model.Service) string {
	return model.Clean(s.VHosts[0]) + "_" + strings.ReplaceAll(strings.TrimPrefix(s.App, "/"), "/", "_")
}

// httpsPort is what a redirect adds to the host.
func (r *Renderer) httpsPort() string {
	if r.opt.HTTPSPort == 443 {
		return ""
	}
	return ":" + strconv.Itoa(r.opt.HTTPSPort)
}

// appRules writes the app id rules of services that have a text for it.
func (r *Renderer) appRules(o *ownRules, m *model.Model, missing map[string]bool) []model.Problem {
	const name = "HTTP_FRONTEND_APPID_ACL"
	var found []model.Problem
	var b bytes.Buffer
	routed := make(map[string]bool)
	for _, s := range m.Services {
		if missing[s.Name] || !r.replaced[name] && s.Templates[name] == "" {
			continue
		}
		if len(routed) == 0 {
			for _, a := range m.AppIDs {
				routed[a.Backend] = true
			}
		}
		if !routed[s.Name] {
			continue
		}
		o.apps[s.Name] = true
		from := b.Len()
		err := r.put(&b, s, name, model.Clean(s.App), strings.Join(s.VHosts, ","), s.App, s.Name)
		if err == nil && s.Templates[name] != "" {
			text, err2 := confine(s.Name, b.String()[from:], []string{"hdr(x-marathon-app-id) -i " + s.App}, "",
				[]string{"req.hdr(x-marathon-app-id),lower,map_str(" + r.opt.MapDir + "/" + AppMap + ") -m found"})
			b.Truncate(from)
			b.WriteString(text)
			err = err2
		}
		if err != nil {
			b.Truncate(from)
			found = append(found, failure(s, err, "its app id is left out"))
		}
	}
	o.appID = b.String()
	return found
}
