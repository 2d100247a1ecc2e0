package plan

import (
	"cmp"
	"fmt"
	"maps"
	"strings"
	"testing"

	"berth/mlb/render"
)

// haproxy is as much of HAProxy's run-time state as commands can change, with its refusals.
type haproxy struct {
	servers  map[string]simServer         // by backend/server
	maps     map[string]map[string]string // by file
	prepared map[string]map[string]string
	static   string // everything a reload is needed for
}

type simServer struct {
	addr, options, weight string
	maint                 bool
}

// boot starts the simulator from files.
func boot(out *render.Output) *haproxy {
	h := &haproxy{
		servers: make(map[string]simServer), maps: make(map[string]map[string]string),
		prepared: make(map[string]map[string]string),
	}
	var static strings.Builder
	for _, s := range out.Shared {
		static.WriteString(s.Text)
	}
	for _, f := range out.Fragments {
		static.WriteString(f.Userlist + f.Frontend + f.Backend)
		for _, l := range f.Servers {
			s, ok := parse(l)
			if !ok {
				static.WriteString(l.Line)
				continue
			}
			h.servers[f.Service.Name+"/"+s.name] = simServer{s.addr, strings.Join(s.options, " "), cmp.Or(s.weight, "1"), s.disabled}
		}
	}
	for _, m := range out.Maps {
		h.maps["/etc/mlb/"+m.Name] = make(map[string]string)
		for _, e := range entries(m.Data) {
			h.maps["/etc/mlb/"+m.Name][e.key] = e.value
		}
	}
	h.static = static.String()
	return h
}

// run applies a command as HAProxy 2.6 does and returns its answer.
func (h *haproxy) run(c Command) string {
	w := splitCommand(strings.ReplaceAll(c.Line, "{version}", "1"))
	switch {
	case w[0] == "add" && w[1] == "server":
		return h.addServer(w)
	case w[0] == "del" && w[1] == "server":
		if s, ok := h.servers[w[2]]; !ok || !s.maint {
			return "Only servers in maintenance mode can be deleted."
		}
		delete(h.servers, w[2])
		return "Server deleted."
	case w[0] == "enable" && w[1] == "health":
		return h.change(w[2], func(*simServer) {})
	case w[0] == "enable" && w[1] == "server":
		return h.change(w[2], func(s *simServer) { s.maint = false })
	case w[0] == "set" && w[1] == "server":
		return h.setServer(w)
	}
	return h.mapCommand(w, c.Payload)
}

// splitCommand cuts a command into words, at blanks without a backslash.
func splitCommand(line string) []string {
	var words []string
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case '\\':
			i++
			b.WriteByte(line[i])
		case ' ':
			words = append(words, b.String())
			b.Reset()
		case ';':
			panic("a second command in " + line)
		default:
			b.WriteByte(c)
		}
	}
	return append(words, b.String())
}

func (h *haproxy) addServer(w []string) string {
	if _, ok := h.servers[w[2]]; ok {
		return "Already exists a server with the same name in backend."
	}
	s := simServer{addr: w[3], weight: "1", maint: true}
	rest := w[4:]
	if len(rest) > 1 && rest[0] == "weight" {
		s.weight, rest = rest[1], rest[2:]
	}
	s.options = strings.Join(rest, " ")
	h.servers[w[2]] = s
	return "New server registered."
}

func (h *haproxy) change(path string, f func(*simServer)) string {
	s, ok := h.servers[path]
	if !ok {
		return "No such server."
	}
	f(&s)
	h.servers[path] = s
	return ""
}

func (h *haproxy) setServer(w []string) string {
	switch w[3] {
	case "state":
		return h.change(w[2], func(s *simServer) { s.maint = w[4] == "maint" })
	case "weight":
		return h.change(w[2], func(s *simServer) { s.weight = w[4] })
	case "addr":
		if answer := h.change(w[2], func(s *simServer) { s.addr = w[4] + ":" + w[6] }); answer != "" {
			return answer
		}
		return "IP changed from x to y by 'stats socket command'"
	}
	return "unknown"
}

func (h *haproxy) mapCommand(w []string, payload string) string {
	file := w[len(w)-1]
	switch w[0] + " " + w[1] {
	case "prepare map":
		h.prepared[file] = make(map[string]string)
		return "New version created: 1"
	case "commit map":
		h.maps[file] = h.prepared[file]
	case "add map":
		to := h.maps[file]
		if w[2] == "@1" {
			to = h.prepared[file]
		}
		for line := range strings.Lines(payload) {
			k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			to[k] = v
		}
	case "set map":
		if _, ok := h.maps[w[2]][w[3]]; !ok {
			return "entry not found."
		}
		h.maps[w[2]][w[3]] = w[4]
	case "del map":
		if _, ok := h.maps[w[2]][w[3]]; !ok {
			return "Key not found."
		}
		delete(h.maps[w[2]], w[3])
	default:
		return "Unknown command"
	}
	return ""
}

// apply runs a plan and fails the test at an answer that the command does not want.
func (h *haproxy) apply(t interface{ Fatalf(string, ...any) }, p Plan) {
	for _, c := range p.Commands {
		answer := h.run(c)
		good := answer == "" && len(c.Want) == 0
		for _, w := range c.Want {
			good = good || strings.HasPrefix(answer, w)
		}
		if !good {
			t.Fatalf("%s\nanswered %q, wanted %q", c, answer, c.Want)
		}
	}
}

func (h *haproxy) same(o *haproxy) error {
	switch {
	case h.static != o.static:
		return fmt.Errorf("a reload was needed")
	case !maps.Equal(h.servers, o.servers):
		return fmt.Errorf("servers %v, want %v", h.servers, o.servers)
	}
	for file, m := range o.maps {
		if !maps.Equal(h.maps[file], m) {
			return fmt.Errorf("map %s %v, want %v", file, h.maps[file], m)
		}
	}
	return nil
}

func TestSplitCommandUndoesEscape(t *testing.T) {
	for _, s := range []string{"a.test/x;y", `a\b`, "a b", "plain"} {
		if got := splitCommand("del map f " + escape(s)); got[3] != s {
			t.Errorf("escape(%q) is read as %q", s, got[3])
		}
	}
}
