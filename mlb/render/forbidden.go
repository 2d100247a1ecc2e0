package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"berth/mlb/model"
)

// What an app may not write, because it would reach beyond the app: HAProxy reads files as root before it gives root up,
// sees all variables and maps, and knows sockets that only the operator may use.

// forbiddenWords are directives, actions and their arguments, with what they would do.
var forbiddenWords = map[string]string{
	"file": "read a file", "lf-file": "read a file", "errorfile": "read a file", "errorfiles": "read files",
	"-f": "read a file", "-M": "read a map", "crt-list": "read a file", "server-state-file-name": "read a file",
	"use-service": "answer with a service of the balancer", "stats": "show or change the whole balancer",
	"external-check": "run a program", "filter": "pass traffic through another program",
	"send-spoe-group": "pass traffic to another program",
}

// forbiddenParts are pieces of expressions and addresses.
var forbiddenParts = []struct{ part, would string }{
	{"env(", "read a variable of the environment"},
	{"lua.", "run a program"},
	{"var(proc.", "share a variable with all apps"},
	{"mlb_admin", "reach the balancer's own pages"},
	{"mlb_alive", "reach the balancer's own pages"},
}

// forbiddenPrefixes begin addresses and actions.
var forbiddenPrefixes = []struct{ prefix, would string }{
	{"unix@", "reach a socket of this machine"}, {"abns@", "reach a socket of this machine"},
	{"abnsz@", "reach a socket of this machine"}, {"fd@", "reach a socket of this machine"},
	{"sockpair@", "reach a socket of this machine"},
	{"set-map", "change a map of the balancer"}, {"del-map", "change a map of the balancer"},
	{"add-acl", "change a list of the balancer"}, {"del-acl", "change a list of the balancer"},
	{"set-var-fmt(proc.", "share a variable with all apps"},
}

// checkReach refuses a line of an app that reaches beyond the app.
func checkReach(line string) error {
	words := splitLine(line)
	for i, w := range words {
		if would := reach(words, i, w.plain); would != "" {
			return fmt.Errorf("line %q: %q would %s; that is for the operator's templates", model.Shorten(line),
				model.Shorten(w.plain), would)
		}
	}
	return nil
}

func reach(words []word, i int, w string) string {
	if would := forbiddenWords[w]; would != "" {
		return would
	}
	for _, f := range forbiddenPrefixes {
		if strings.HasPrefix(w, f.prefix) {
			return f.would
		}
	}
	for _, f := range forbiddenParts {
		if strings.Contains(w, f.part) {
			return f.would
		}
	}
	if usesMap(w) {
		return "read a map or file"
	}
	switch first := words[0].plain; {
	case first == "use_backend" && i == 1 && strings.Contains(w, "%["):
		return "let clients choose among all backends"
	case first == "server-template" && i == 2 && !fewServers(w):
		return fmt.Sprintf("make more than %d servers", maxTemplateServers)
	}
	// server <name> <address>, bind <address>: a path is a socket.
	if first := words[0].plain; (first == "server" && i == 2 || first == "bind" && i == 1) && strings.Contains(w, "/") {
		return "reach a socket of this machine"
	}
	return ""
}

// maxTemplateServers bounds a server-template of an app: HAProxy makes all of its servers at the start, and compares each
// with all others. A hundred thousand keep it from ever starting.
const maxTemplateServers = 1000

// fewServers reads the number or range of a server-template line (manual section 4.2).
func fewServers(count string) bool {
	low, high, ranged := strings.Cut(count, "-")
	if !ranged {
		low, high = "1", count
	}
	from, err := strconv.Atoi(low)
	to, err2 := strconv.Atoi(high)
	return err == nil && err2 == nil && to-from < maxTemplateServers
}

// ownVariables are those by which the frontends that all apps share find the backend.
var ownVariables = []string{
	"txn.host", "txn.path", "txn.backend", "txn.domain", "txn.wildcard", "txn.own", "txn.own_path", "txn.own_domain", "txn.taken",
}

// changesRouting reports whether a word sets or drops one of ownVariables.
func changesRouting(w string) bool {
	_, arguments, ok := strings.Cut(w, "set-var") // of unset-var, too
	arguments = strings.TrimPrefix(arguments, "-fmt")
	if !ok || !strings.HasPrefix(arguments, "(") {
		return false
	}
	name := strings.TrimLeft(arguments, "( ")
	if end := strings.IndexAny(name, ",) "); end >= 0 {
		name = name[:end]
	}
	return slices.Contains(ownVariables, name) || strings.HasPrefix(name, "txn.turn")
}

// usesMap looks for the converters map, map_str, map_beg and so on.
func usesMap(w string) bool {
	for rest := w; ; {
		i := strings.Index(rest, "map")
		if i < 0 {
			return false
		}
		before := i == 0 || !nameByte(rest[i-1])
		rest = rest[i+len("map"):]
		end := strings.IndexFunc(rest, func(r rune) bool { return r >= 0x80 || !nameByte(byte(r)) })
		if before && end >= 0 && rest[end] == '(' && (end == 0 || rest[0] == '_') {
			return true
		}
	}
}

// conditionAt is where the condition of a rule begins: the index of its if or unless, or -1.
func conditionAt(words []word) int {
	return slices.IndexFunc(words, func(w word) bool { return w.raw == "if" || w.raw == "unless" })
}

func nameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
