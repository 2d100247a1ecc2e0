package render

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth/mlb/model"
)

// ownRules are the rules of services that have left the maps, because a text of their own takes part in their routing.
type ownRules struct {
	services map[string]bool // backends that are in no host map
	apps     map[string]bool // backends that are not in the app id map

	http, https, appID rules
	routes             []OwnRoute
	hosts              []model.HostRoute // of all others, for the maps
	cells              []byte            // the map that says whose turn it is; nil when nobody has rules

	acls map[string]string // name of an ACL → app that defined it, "" for the balancer and its operator
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

// turn says how a service is routed. It needs rules of its own when a text that routes it was replaced, by its label or by
// the operator, or when its paths match in any case.
func (r *Renderer) turn(s *model.Service) model.Turn {
	if len(s.VHosts) == 0 || len(s.Templates) == 0 && len(r.replaced) == 0 && s.PathFlags == "" {
		return model.Last
	}
	turn := model.Last
	if s.PathFlags != "" {
		turn = model.Takes
	}
	for _, name := range slices.Concat(httpRules(s).names(), httpsRules(s).names()) {
		if s.Templates[name] != "" {
			return model.Tries
		}
		if r.replaced[name] {
			turn = model.Takes
		}
	}
	return turn
}

// ownRules finds the services that leave the maps and writes their rules.
func (r *Renderer) ownRules(m *model.Model, missing map[string]bool) (*ownRules, []model.Problem) {
	c := &r.own
	if c.rules == nil || !same(c.hosts, m.Hosts) || !maps.Equal(c.missing, missing) {
		*c = ownCache{hosts: m.Hosts, missing: missing, rules: &ownRules{services: make(map[string]bool), hosts: m.Hosts}}
		if !r.opt.NoHTTP {
			c.found = r.hostRules(c.rules, m, missing)
		}
	}
	o := *c.rules
	o.routes = slices.Clone(o.routes)
	if len(o.routes) > 0 { // tasks come and go
		now := make(map[string]*model.Service, len(m.Services))
		for _, s := range m.Services {
			now[s.Name] = s
		}
		for i := range o.routes {
			o.routes[i].Service = now[o.routes[i].Service.Name]
		}
	}
	o.apps = make(map[string]bool)
	return &o, slices.Concat(c.found, r.appRules(&o, m, missing))
}

// ownCache keeps the rules for virtual hosts of the last model: as long as its routes are the same, so are they.
type ownCache struct {
	hosts   []model.HostRoute
	missing map[string]bool
	rules   *ownRules
	found   []model.Problem
}

// hostRules writes the rules for virtual hosts. Whose turn it is at a request, a map tells: the names of the services whose
// rules come before the other maps for this host and path.
func (r *Renderer) hostRules(o *ownRules, m *model.Model, missing map[string]bool) []model.Problem {
	served, own := m.Services, []*model.Service(nil)
	if len(missing) > 0 {
		served = slices.DeleteFunc(slices.Clone(served), func(s *model.Service) bool { return missing[s.Name] })
	}
	for _, s := range served {
		if r.turn(s) != model.Last {
			own = append(own, s)
			o.services[s.Name] = true
		}
	}
	if len(own) == 0 && len(missing) == 0 {
		return nil
	}
	rest := served
	if len(own) > 0 {
		rest = slices.DeleteFunc(slices.Clone(served), func(s *model.Service) bool { return o.services[s.Name] })
	}
	o.hosts, _ = model.Routes(rest)
	if len(own) == 0 {
		return nil
	}
	cells := model.Cells(served, r.turn)
	first := make(map[*model.Service]bool)
	for _, c := range cells {
		for _, s := range c.First {
			first[s] = true
		}
	}
	o.cells = cellMap(cells)
	o.acls = r.operatorACLs()
	guards := guardACLs([]string{"var(txn.own) -m found", "var(txn.backend) -m found"})
	o.http.parts, o.https.parts = []string{guards}, []string{guards}
	slices.SortStableFunc(own, inOrder)
	var found []model.Problem
	for i, s := range own {
		if !first[s] {
			continue // others have all of it
		}
		if err := r.writeOwn(o, i, s); err != nil {
			found = append(found, failure(s, err, "its virtual hosts are left out"))
			continue
		}
		o.routes = append(o.routes, OwnRoute{Service: s, Hosts: s.VHosts})
	}
	if len(o.routes) == 0 {
		o.http, o.https, o.cells = rules{}, rules{}, nil
	}
	return found
}

// inOrder sorts services with rules of their own. The order of precedence holds host by host, rules have one order for all.
func inOrder(a, b *model.Service) int {
	return cmp.Or(cmp.Compare(b.Weight, a.Weight), cmp.Compare(wildcards(a), wildcards(b)),
		cmp.Compare(longest(b.Paths), longest(a.Paths)), model.Seniority(a, b))
}

// cellMap writes which services' rules come first: "|web_10000|api_10001|" by host and path, "|" for none.
func cellMap(cells []model.Cell) []byte {
	var b bytes.Buffer
	for _, c := range cells {
		b.WriteString(c.Host + c.Path + " |")
		for _, s := range c.First {
			b.WriteString(s.Name + "|")
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
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

// writeOwn adds the rules of s, or nothing at all. i tells it from other services with rules.
func (r *Renderer) writeOwn(o *ownRules, i int, s *model.Service) error {
	http, err := r.ownText(o, i, s, httpRules(s))
	if err != nil {
		return err
	}
	https, err := r.ownText(o, i, s, httpsRules(s))
	if err != nil {
		return err
	}
	for _, name := range slices.Concat(defines(http.text()), defines(https.text())) {
		o.acls[name] = s.App
	}
	o.http.add(http)
	o.https.add(https)
	return nil
}

// ownText renders the rules of s for one frontend and confines them to the requests that are its turn.
func (r *Renderer) ownText(o *ownRules, i int, s *model.Service, rs ruleSet) (rules, error) {
	text, err := r.writeRules(s, rs)
	if err != nil {
		return rules{}, err
	}
	c := confinement{service: s.Name, turn: "txn.turn" + strconv.Itoa(i), mine: "var(txn.own) -m sub |" + s.Name + "|"}
	for _, name := range rs.names() {
		c.replaced = c.replaced || r.replaced[name]
		c.strict = c.strict || s.Templates[name] != ""
	}
	c.rename = o.renames(s, text)
	return c.apply(text)
}

// renames gives new names to ACLs whose names are somebody else's: HAProxy would take either condition for both.
func (o *ownRules) renames(s *model.Service, text string) map[string]string {
	var names map[string]string
	for _, name := range defines(text) {
		if app, taken := o.acls[name]; taken && app != s.App || builtinACLs[name] {
			if names == nil {
				names = make(map[string]string)
			}
			names[name] = name + ":" + s.Name
		}
	}
	return names
}

// defines lists the ACLs that a text defines.
func defines(text string) []string {
	var names []string
	for line := range strings.Lines(text) {
		if words := splitLine(strings.TrimSuffix(line, "\n")); len(words) > 1 && words[0].plain == "acl" {
			names = append(names, words[1].plain)
		}
	}
	return names
}

// operatorACLs are the names that the shared frontends have without any app.
func (r *Renderer) operatorACLs() map[string]string {
	acls := make(map[string]string)
	for _, name := range []string{"HTTP_FRONTEND_HEAD", "HTTPS_FRONTEND_HEAD", "HTTP_FRONTEND_APPID_HEAD", "FRONTEND_HTTP_OPTIONS",
		"MAP_FRONTEND_LOOKUP", "MAP_HTTP_FRONTEND_REDIRECT", "MAP_HTTP_FRONTEND_ACL", "MAP_HTTPS_FRONTEND_ACL",
		"MAP_HTTP_FRONTEND_APPID_ACL"} {
		if r.replaced[name] {
			for _, acl := range defines(r.text(name, make([]string, len(templateByName[name].Vars))...)) {
				acls[acl] = ""
			}
		}
	}
	return acls
}

// builtinACLs are those that HAProxy defines itself (manual section 7.4).
var builtinACLs = map[string]bool{
	"FALSE": true, "TRUE": true, "HTTP": true, "HTTP_1.0": true, "HTTP_1.1": true, "HTTP_2.0": true, "HTTP_3.0": true,
	"HTTP_CONTENT": true, "HTTP_URL_ABS": true, "HTTP_URL_SLASH": true, "HTTP_URL_STAR": true, "LOCALHOST": true,
	"METH_CONNECT": true, "METH_DELETE": true, "METH_GET": true, "METH_HEAD": true, "METH_OPTIONS": true, "METH_POST": true,
	"METH_PUT": true, "METH_TRACE": true, "RDP_COOKIE": true, "REQ_CONTENT": true, "WAIT_END": true,
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
	var own []*model.Service
	var others []string // conditions under which a request is for one of them
	var routed map[string]bool
	for _, s := range m.Services {
		if missing[s.Name] || !r.replaced[name] && s.Templates[name] == "" {
			continue
		}
		if routed == nil {
			routed = make(map[string]bool)
			for _, a := range m.AppIDs {
				routed[a.Backend] = true
			}
		}
		if routed[s.Name] {
			o.apps[s.Name] = true
			own = append(own, s)
			others = append(others, "hdr(x-marathon-app-id) -i "+s.App)
		}
	}
	if len(own) == 0 {
		return nil
	}
	others = append(others, "req.hdr(x-marathon-app-id),lower,map_str("+r.opt.MapDir+"/"+AppMap+") -m found")
	o.acls = r.operatorACLs() // names are those of one frontend
	var found []model.Problem
	o.appID.parts = []string{guardACLs(others)}
	for i, s := range own {
		rule, err := r.appRule(o, i, s)
		if err != nil {
			found = append(found, failure(s, err, "its app id is left out"))
			continue
		}
		for _, acl := range defines(rule.text()) {
			o.acls[acl] = s.App
		}
		o.appID.add(rule)
	}
	return found
}

func (r *Renderer) appRule(o *ownRules, i int, s *model.Service) (rules, error) {
	const name = "HTTP_FRONTEND_APPID_ACL"
	var b bytes.Buffer
	if err := r.put(&b, s, name, model.Clean(s.App), strings.Join(s.VHosts, ","), s.App, s.Name); err != nil {
		return rules{}, err
	}
	c := confinement{service: s.Name, turn: "txn.turn" + strconv.Itoa(i), mine: "hdr(x-marathon-app-id) -i " + s.App,
		replaced: r.replaced[name], strict: s.Templates[name] != "", rename: o.renames(s, b.String())}
	return c.apply(b.String())
}
