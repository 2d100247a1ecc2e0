package plan

import (
	"cmp"
	"slices"
	"strings"

	"berth/mlb/model"
	"berth/mlb/render"
)

// server is one server line taken apart.
type server struct {
	name, addr string
	options    []string // without disabled and weight
	weight     string   // "" if not given
	disabled   bool
	line       string
}

// parse reads the one line of a server; a text of several lines, or another keyword, is not understood.
func parse(l render.ServerLine) (server, bool) {
	text := strings.TrimSuffix(l.Line, "\n")
	fields := strings.Fields(text)
	if strings.ContainsAny(text, "\n\"'\\#") || len(fields) < 3 || fields[0] != "server" {
		return server{}, false
	}
	s := server{name: fields[1], addr: fields[2], line: l.Line}
	for rest := fields[3:]; len(rest) > 0; rest = rest[1:] {
		switch {
		case rest[0] == "disabled":
			s.disabled = true
		case rest[0] == "weight" && len(rest) > 1:
			s.weight = rest[1]
			rest = rest[1:]
		default:
			s.options = append(s.options, rest[0])
		}
	}
	return s, true
}

// servers compares the servers of one backend. Their order means nothing to HAProxy: it spreads load by its own counters,
// and "balance first" goes by id.
func (d *diff) servers(from, to *render.Fragment) {
	if slices.Equal(from.Servers, to.Servers) {
		return
	}
	was, ok := parseAll(from.Servers)
	is, ok2 := parseAll(to.Servers)
	backend, drains := to.Service.Name, len(d.drains)
	if !ok || !ok2 {
		d.because("the servers of backend %s changed, and their template is more than one plain line", backend)
		return
	}
	for _, s := range is {
		at := slices.IndexFunc(was, func(o server) bool { return o.name == s.name })
		if at < 0 {
			d.add(to, s)
		} else {
			d.change(to, was[at], s)
		}
	}
	for _, s := range was {
		if !slices.ContainsFunc(is, func(o server) bool { return o.name == s.name }) {
			d.remove(to.Service, s)
		}
	}
	if !remains(was, is) {
		d.drains = d.drains[:drains]
	}
}

// remains reports whether the worker before a reload keeps a server to send requests to once it has been told what drains.
// Without one it is better told nothing: what goes serves on until the new worker takes over with what comes. Where nothing
// is to serve afterwards, nothing has to before.
func remains(was, is []server) bool {
	serves := func(s server) bool { return !s.disabled }
	if !slices.ContainsFunc(is, serves) {
		return true
	}
	return slices.ContainsFunc(is, func(s server) bool {
		return serves(s) && slices.ContainsFunc(was, func(o server) bool { return o.name == s.name })
	})
}

func parseAll(lines []render.ServerLine) ([]server, bool) {
	list := make([]server, 0, len(lines))
	for _, l := range lines {
		s, ok := parse(l)
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

// add brings in a server at run time, if this HAProxy can.
func (d *diff) add(f *render.Fragment, s server) {
	backend := f.Service.Name
	path := backend + "/" + s.name
	if line, ok := d.leftover[path]; ok {
		d.revive(path, line, s)
		return
	}
	if why := d.cannotAdd(f, s); why != "" {
		d.because("%s", why)
		return
	}
	line := "add server " + path + " " + s.addr
	if s.weight != "" {
		line += " weight " + s.weight
	}
	if len(s.options) > 0 {
		line += " " + strings.Join(s.options, " ")
	}
	d.adds = append(d.adds, Command{Line: line, Want: []string{"New server registered."}})
	if slices.Contains(s.options, "check") {
		d.adds = append(d.adds, Command{Line: "enable health " + path})
	}
	if !s.disabled {
		d.adds = append(d.adds, Command{Line: "enable server " + path})
	}
}

// revive takes back a server that was taken out and is still there.
func (d *diff) revive(path, line string, s server) {
	was, ok := parse(render.ServerLine{Line: line})
	if !ok || was.addr != s.addr || was.weight != s.weight || !slices.Equal(was.options, s.options) {
		d.because("server %s is back with other options while its last sessions end", path)
		return
	}
	if !s.disabled {
		d.adds = append(d.adds, state(path, "ready"))
	}
}

func state(path, word string) Command { return Command{Line: "set server " + path + " state " + word} }

// change alters a server that stays. Whether it drains is told to the old worker even if the rest takes a reload.
func (d *diff) change(f *render.Fragment, from, to server) {
	path := f.Service.Name + "/" + to.name
	var drain []Command
	if from.disabled != to.disabled {
		word := "ready"
		if to.disabled {
			word = "maint"
		}
		drain = []Command{state(path, word)}
		d.drains = append(d.drains, drain...)
	}
	if !slices.Equal(from.options, to.options) {
		d.because("options of server %s changed", path)
		return
	}
	if from.weight != to.weight && !d.weight(to, path, f) {
		return
	}
	if from.addr != to.addr {
		d.address(path, to.addr)
	}
	if to.disabled {
		d.changes = append(d.changes, drain...)
	} else { // before others are taken out
		d.adds = append(d.adds, drain...)
	}
}

// defaultWeight is that of a server whose line gives none (HAProxy's manual, section 5.2, "weight").
const defaultWeight = "1"

// weight changes a server's share of new requests, or reports false if that takes a reload: algorithms of a fixed map take
// no weights at run time, and a default-server line may mean another weight than HAProxy's own by none.
func (d *diff) weight(to server, path string, f *render.Fragment) bool {
	if d.defaultServer || backendForbids(f) != "" {
		d.because("the weight of server %s changed, which its backend does not allow at run time", path)
		return false
	}
	d.changes = append(d.changes, Command{Line: "set server " + path + " weight " + cmp.Or(to.weight, defaultWeight)})
	return true
}

func (d *diff) address(path, addr string) {
	at := strings.LastIndexByte(addr, ':')
	if at < 0 {
		d.because("address of server %s changed", path)
		return
	}
	ip := strings.Trim(addr[:at], "[]")
	d.changes = append(d.changes, Command{
		Line: "set server " + path + " addr " + ip + " port " + addr[at+1:],
		Want: []string{"IP changed", "port changed", "no need to change"},
	})
}

// remove takes a server out. Its sessions go on; HAProxy lets go of it when they have ended.
// With a reload, the servers of a spare backend are on their way to a backend of their own: nothing is to be drained.
func (d *diff) remove(backend *model.Service, s server) {
	path := backend.Name + "/" + s.name
	if !s.disabled {
		d.removals = append(d.removals, state(path, "maint"))
		if !backend.Spare {
			d.drains = append(d.drains, state(path, "maint"))
		}
	}
	d.deletions = append(d.deletions, Delete(path))
}

// Delete is the command that ends a server which is in maintenance; path is "backend/server".
func Delete(path string) Command {
	return Command{Line: "del server " + path, Want: []string{"Server deleted."}, MayWait: true}
}
