package render

import (
	"fmt"
	"slices"
	"strings"

	"berth/mlb/model"
)

// ownPrefix begins the names of the ACLs that keep an app's rules to itself; apps may not define or use such names.
const ownPrefix = "mlb_own_"

// confinement rewrites the rules that a service brings into a frontend all apps share, so that they act only when it is the
// service's turn: on requests for the service that nobody before it has taken, or for nobody. A rule may claim hosts that no
// app has, as labels with a pattern of hosts do, but never those of another.
//
//	http-request deny if TRUE
//	use_backend web_1 if beta
//	→ http-request set-var(txn.turn0) bool(true) if { var(txn.own) -m sub |web_1| } !mlb_own_taken || !mlb_own_else !mlb_own_taken
//	  http-request deny if { var(txn.turn0) -m found } TRUE
//	  http-request set-var(txn.taken) str(web_1) if { var(txn.turn0) -m found } beta !mlb_own_taken
//
// Conditions have no names of their own: HAProxy looks names up one by one, and there may be thousands.
type confinement struct {
	service  string
	turn     string            // variable that says it is the service's turn
	mine     string            // condition under which a request is the service's
	rename   map[string]string // ACLs that get other names
	strict   bool              // it is an app's text: each rule must have a condition
	replaced bool              // it is an operator's text, which may claim hosts that no app has, as an app's may
}

// rules are lines for a frontend, those that choose a backend apart: HAProxy runs them after all others, wherever they stand.
type rules struct {
	parts []string // texts, one after the other
	uses  []string // lines that choose one which is not the service's own, or choose whatever was taken
}

func (r *rules) text() string { return strings.Join(r.parts, "") }

func (r *rules) add(more rules) {
	r.parts = append(r.parts, more.parts...)
	for _, u := range more.uses {
		if !slices.Contains(r.uses, u) {
			r.uses = append(r.uses, u)
		}
	}
}

// useLines writes the choices.
func (r *rules) useLines() string {
	if len(r.parts) == 0 {
		return ""
	}
	return strings.Join(r.uses, "") + "  use_backend %[var(txn.taken)] if " + ownPrefix + "taken\n"
}

// guardACLs are those that every confinement uses. others are the conditions that make a request somebody's.
func guardACLs(others []string) string {
	var b strings.Builder
	b.WriteString("  acl " + ownPrefix + "taken var(txn.taken) -m found\n")
	for _, match := range others {
		b.WriteString("  acl " + ownPrefix + "else " + match + "\n")
	}
	return b.String()
}

func (c *confinement) apply(text string) (rules, error) {
	var b strings.Builder
	guard := "{ " + c.mine + " } !" + ownPrefix + "taken"
	if c.strict || c.replaced {
		guard += " || !" + ownPrefix + "else !" + ownPrefix + "taken"
	}
	fmt.Fprintf(&b, "  http-request set-var(%s) bool(true) if %s\n", c.turn, guard)
	var out rules
	for line := range strings.Lines(text) {
		line, use, err := c.line(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return rules{}, err
		}
		if use != "" {
			out.add(rules{uses: []string{use}})
		}
		if line != "" {
			b.WriteString(line)
			b.WriteByte('\n')
		}
	}
	out.parts = []string{b.String()}
	return out, nil
}

// line rewrites one line. use is for rules.uses.
func (c *confinement) line(line string) (out, use string, err error) {
	words := splitLine(line)
	if len(words) == 0 {
		return line, "", nil
	}
	for _, w := range words {
		if strings.Contains(w.plain, ownPrefix) {
			return "", "", fmt.Errorf("line %q: names that begin with %s are the balancer's", model.Shorten(line), ownPrefix)
		}
	}
	first := words[0].plain
	if first == "acl" {
		if len(words) < 3 {
			return "", "", fmt.Errorf("line %q: expected acl, a name and a condition", model.Shorten(line))
		}
		if name := c.rename[words[1].plain]; name != "" {
			line = "  acl " + name + " " + joined(words[2:])
		}
		return line, "", nil
	}
	at := conditionAt(words)
	if at < 0 {
		switch {
		case c.strict:
			return "", "", fmt.Errorf("line %q: a rule in a frontend that all apps share needs a condition", model.Shorten(line))
		case first == "use_backend":
			return "", "  " + joined(words) + "\n", nil
		}
		return line, "", nil
	}
	condition, err := c.condition(words[at:])
	if err != nil {
		return "", "", fmt.Errorf("line %q: %w", model.Shorten(line), err)
	}
	switch {
	case first == "redirect" && at > 2: // in its place among the http rules; there, the target is a format
		words[2].raw = strings.ReplaceAll(words[2].raw, "%", "%%")
		return "  http-request " + joined(words[:at]) + " if " + strings.Join(condition, " || "), "", nil
	case first != "use_backend":
		return "  " + joined(words[:at]) + " if " + strings.Join(condition, " || "), "", nil
	case at != 2 || strings.Contains(words[1].plain, "%["):
		return "", "  " + joined(words[:at]) + " if " + strings.Join(condition, " || ") + "\n", nil
	}
	for i := range condition {
		condition[i] += " !" + ownPrefix + "taken"
	}
	name := words[1].plain
	if name != c.service { // it must exist, which HAProxy asks of names only
		use = "  use_backend " + name + " if { var(txn.taken) -m str " + name + " }\n"
	}
	return "  http-request set-var(txn.taken) str(" + name + ") if " + strings.Join(condition, " || "), use, nil
}

// condition reads "if" or "unless" and what follows, and returns the alternatives of which one must hold.
func (c *confinement) condition(words []word) ([]string, error) {
	terms, err := alternatives(words[1:])
	if err == nil && words[0].raw == "unless" {
		terms, err = negate(terms)
	}
	if err != nil {
		return nil, err
	}
	all := make([]string, len(terms))
	for i, and := range terms {
		for j, term := range and {
			name := strings.TrimLeft(term, "!")
			if to := c.rename[strings.Trim(name, "\"'")]; to != "" {
				and[j] = term[:len(term)-len(name)] + to
			}
		}
		all[i] = "{ var(" + c.turn + ") -m found } " + strings.Join(and, " ")
	}
	return all, nil
}

func joined(words []word) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = w.raw
	}
	return strings.Join(list, " ")
}

// alternatives reads a condition (manual section 7.4): terms side by side must all hold, "||" or "or" separates
// alternatives, and a term is a name or an anonymous ACL in braces, either with a "!" before it.
func alternatives(words []word) ([][]string, error) {
	var all [][]string
	var and []string
	for i := 0; i < len(words); i++ {
		w := words[i].raw
		if w == "||" || w == "or" {
			if len(and) == 0 {
				return nil, fmt.Errorf("%q without a condition before it", w)
			}
			all, and = append(all, and), nil
			continue
		}
		term := w
		for w == "!" && i+1 < len(words) {
			i++
			w = words[i].raw
			term += w
		}
		if strings.TrimLeft(w, "!") == "{" {
			closed := false
			for i++; i < len(words); i++ {
				term += " " + words[i].raw
				if closed = words[i].raw == "}"; closed {
					break
				}
			}
			if !closed {
				return nil, fmt.Errorf("an opening brace that is not closed")
			}
		}
		and = append(and, term)
	}
	if len(and) == 0 {
		return nil, fmt.Errorf("expected a condition at the end")
	}
	return append(all, and), nil
}

// negate turns "unless a b" into "if !a or !b".
func negate(terms [][]string) ([][]string, error) {
	if len(terms) > 1 {
		return nil, fmt.Errorf("unless with alternatives: write the rule with if")
	}
	out := make([][]string, 0, len(terms[0]))
	for _, t := range terms[0] {
		if rest, ok := strings.CutPrefix(t, "!"); ok {
			t = strings.TrimLeft(rest, " ")
		} else {
			t = "!" + t
		}
		out = append(out, []string{t})
	}
	return out, nil
}
