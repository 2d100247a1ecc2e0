package render

import (
	"fmt"
	"strings"

	"berth/mlb/model"
)

// ownPrefix begins the names of the ACLs that keep an app's rules to itself; apps may not define or use such names.
const ownPrefix = "mlb_own_"

// confine rewrites the rules that a service brings into a frontend all apps share, so that they act only on requests for
// the service, or for nobody: a rule may claim hosts that no other app has, as labels with a pattern of hosts do, but
// never those of another.
//
//	http-request deny if TRUE
//	→ acl mlb_own_<service> var(txn.host) -m str own.example.com
//	  acl mlb_own_<service>_else var(txn.backend) -m found
//	  http-request deny if mlb_own_<service> TRUE || !mlb_own_<service>_else TRUE
//
// own are the conditions of which one must hold for a request to be the service's, paths the argument of path_beg, "" for
// every path; others are those that make it somebody else's.
func confine(service, text string, own []string, paths string, others []string) (string, error) {
	var b strings.Builder
	name := ownPrefix + service
	for _, match := range own {
		fmt.Fprintf(&b, "  acl %s %s\n", name, match)
	}
	guard := name
	if paths != "" {
		guard += " " + name + "_path"
		fmt.Fprintf(&b, "  acl %s_path path_beg %s\n", name, paths)
	}
	for _, match := range others {
		fmt.Fprintf(&b, "  acl %s_else %s\n", name, match)
	}
	guards := []string{guard, "!" + name + "_else"}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		out, err := confineLine(line, guards)
		if err != nil {
			return "", err
		}
		b.WriteString(out)
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// ownHosts are the conditions under which a request is for the hosts.
func ownHosts(hosts []string) []string {
	own := make([]string, len(hosts))
	for i, h := range hosts {
		own[i] = "var(txn.host) " + hostMatch(h)
	}
	return own
}

func confineLine(line string, guards []string) (string, error) {
	words := splitLine(line)
	if len(words) == 0 {
		return line, nil
	}
	for _, w := range words {
		if strings.Contains(w.plain, ownPrefix) {
			return "", fmt.Errorf("line %q: names that begin with %s are the balancer's", model.Shorten(line), ownPrefix)
		}
	}
	at := conditionAt(words)
	if words[0].plain == "acl" {
		return line, nil
	}
	if at < 0 {
		return "", fmt.Errorf("line %q: a rule in a frontend that all apps share needs a condition", model.Shorten(line))
	}
	terms, err := alternatives(words[at+1:])
	if err != nil {
		return "", fmt.Errorf("line %q: %w", model.Shorten(line), err)
	}
	if words[at].raw == "unless" {
		if terms, err = negate(terms); err != nil {
			return "", fmt.Errorf("line %q: %w", model.Shorten(line), err)
		}
	}
	head := make([]string, at)
	for i, w := range words[:at] {
		head[i] = w.raw
	}
	var conditions []string
	for _, and := range terms {
		for _, guard := range guards {
			conditions = append(conditions, guard+" "+strings.Join(and, " "))
		}
	}
	return "  " + strings.Join(head, " ") + " if " + strings.Join(conditions, " || "), nil
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
