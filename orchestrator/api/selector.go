package api

import (
	"slices"
	"strings"
)

// maxSelector is the longest label selector that is read, in bytes.
const maxSelector = 8 << 10

// Selector is a parsed label selector (section 8.1). The zero Selector matches everything.
type Selector struct{ requirements []requirement }

// requirement asks for a key to be present, and with values for its value to be (or not to be) among them.
type requirement struct {
	key    string
	values []string
	not    bool
}

// ParseSelector reads requirements joined by commas, all of which must hold:
//
//	key    key==v    key=v    key!=v    key in (a,b)    key notin (a,b)
//
// Blanks are free; a backslash takes the next character as it is. The error is an *Error of CodeInvalid.
func ParseSelector(s string) (Selector, error) {
	if len(s) > maxSelector {
		return Selector{}, selectorError(s, "the limit is 8192 characters")
	}
	p := selectorParser{rest: s}
	var sel Selector
	for {
		r := p.requirement()
		sel.requirements = append(sel.requirements, r)
		if p.problem != "" || !p.take(",") {
			break
		}
	}
	if p.problem == "" && p.blank() != "" {
		p.expected("a comma or the end")
	}
	if p.problem != "" {
		return Selector{}, selectorError(s, p.problem)
	}
	return sel, nil
}

func selectorError(s, problem string) error {
	return &Error{Code: CodeInvalid, Message: "label selector " + quote(s) + ": " + problem}
}

// Matches reports whether labels satisfy every requirement. Also the negative ones need their key to be present.
func (s Selector) Matches(labels map[string]string) bool {
	for _, r := range s.requirements {
		v, ok := labels[r.key]
		if !ok || r.values != nil && slices.Contains(r.values, v) == r.not {
			return false
		}
	}
	return true
}

// selectorParser takes a selector apart from the left; after the first problem it takes nothing more.
type selectorParser struct {
	rest    string
	problem string
}

func (p *selectorParser) requirement() requirement {
	r := requirement{key: p.term()}
	switch {
	case p.take("=="), p.take("="):
		r.values = []string{p.term()}
	case p.take("!="):
		r.values, r.not = []string{p.term()}, true
	case p.word("in"):
		r.values = p.set()
	case p.word("notin"):
		r.values, r.not = p.set(), true
	}
	return r
}

func (p *selectorParser) set() []string {
	if !p.take("(") {
		p.expected("(")
	}
	values := []string{p.term()}
	for p.take(",") {
		values = append(values, p.term())
	}
	if !p.take(")") {
		p.expected(")")
	}
	return values
}

// term takes a key or a value: everything up to a blank or a sign of the grammar.
func (p *selectorParser) term() string {
	var b strings.Builder
	rest := p.blank()
	i := 0
	for i < len(rest) && !strings.ContainsRune(" \t\r\n,()=!", rune(rest[i])) {
		if rest[i] == '\\' {
			i++
			if i == len(rest) {
				p.expected("a character after the backslash")
				return ""
			}
		}
		b.WriteByte(rest[i])
		i++
	}
	if i == 0 {
		p.expected("a key or a value")
	}
	p.rest = rest[i:]
	return b.String()
}

func (p *selectorParser) take(sign string) bool {
	rest, ok := strings.CutPrefix(p.blank(), sign)
	if ok && p.problem == "" {
		p.rest = rest
		return true
	}
	return false
}

// word takes a word that ends where a set may begin.
func (p *selectorParser) word(w string) bool {
	rest, ok := strings.CutPrefix(p.blank(), w)
	if ok && strings.HasPrefix(strings.TrimLeft(rest, " \t\r\n"), "(") {
		return p.take(w)
	}
	return false
}

// blank drops blanks and returns what is left.
func (p *selectorParser) blank() string {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	return p.rest
}

func (p *selectorParser) expected(what string) {
	if p.problem != "" {
		return
	}
	found := "the end"
	if p.rest != "" {
		found = quote(p.rest)
	}
	p.problem = "expected " + what + ", found " + found
}
