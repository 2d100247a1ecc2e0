package haproxy

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	parser "github.com/haproxytech/config-parser/v5"
	"github.com/haproxytech/config-parser/v5/options"
)

// Sections says which sections a configuration must and may have.
type Sections struct {
	// Frontends and Backends are what the model asks for; each must be there, as itself or as a listen section.
	Frontends, Backends []string
	// Userlists belong to services and may be there.
	Userlists []string
	// Other may be there, too: what the templates have without any app, "<kind> <name>", such as "listen stats".
	Other []string
}

// SectionsOf lists the sections of a configuration as Sections.Other has them.
func SectionsOf(config []byte) []string {
	var all []string
	for _, s := range scanSections(config) {
		all = append(all, s.kind+" "+s.name)
	}
	return all
}

// checkStructure checks the shape of a rendered configuration before HAProxy sees it, and returns the addresses it binds:
// no section exists twice, every section is one that somebody asked for, so none was smuggled in by an app's value, and
// what operators wrote is parsable. want may be nil: then any section is welcome. A *CheckError says what is wrong.
//
// config-parser reads the sections that services share. It takes a quarter of a millisecond for each section, which is too
// much for ten thousand services; those that bring texts of their own have been read by it before, while rendering.
func checkStructure(config []byte, want *Sections) ([]string, error) {
	parts := splitSections(config)
	reasons := duplicates(parts)
	if want != nil {
		reasons = append(reasons, want.compare(parts)...)
	}
	own := want.services()
	for _, p := range parts {
		if len(reasons) > 0 {
			break
		}
		if !own[p.kind+" "+p.name] {
			reasons = p.parse()
		}
	}
	if len(reasons) > 0 {
		return nil, &CheckError{Reasons: reasons}
	}
	return scanBinds(config), nil
}

// part is a section with its text.
type part struct {
	section
	text []byte
}

func splitSections(config []byte) []part {
	heads := scanSections(config)
	parts := make([]part, len(heads))
	for i, h := range heads {
		end := len(config)
		if i+1 < len(heads) {
			end = heads[i+1].offset
		}
		parts[i] = part{h, config[h.offset:end]}
	}
	return parts
}

// sectionName is what HAProxy takes as the name of a proxy or userlist.
var sectionName = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)

func duplicates(parts []part) []Reason {
	var reasons []Reason
	seen := map[string]int{}
	for _, p := range parts {
		if p.kind == "global" || p.kind == "defaults" || p.name == "" {
			continue
		}
		if !sectionName.MatchString(p.name) {
			reasons = append(reasons, p.reason("section name %q: expected letters, digits, _ . : -", shorten(p.name)))
		}
		for _, space := range p.namespaces() {
			if first, twice := seen[space+" "+p.name]; twice {
				reasons = append(reasons, p.reason("%s %s exists twice, first in line %d", p.kind, p.name, first))
				break
			}
			seen[space+" "+p.name] = p.line
		}
	}
	return reasons
}

// namespaces: a listen section is both a frontend and a backend.
func (p part) namespaces() []string {
	if p.kind == "listen" {
		return []string{"frontend", "backend"}
	}
	return []string{p.kind}
}

func (p part) reason(format string, a ...any) Reason {
	return Reason{File: configName, Line: p.line, Section: p.name, Message: fmt.Sprintf(format, a...)}
}

// services is the set of sections that belong to services, "<kind> <name>".
func (w *Sections) services() map[string]bool {
	set := map[string]bool{}
	if w == nil {
		return set
	}
	for kind, names := range map[string][]string{
		"frontend": w.Frontends, "backend": w.Backends, "userlist": w.Userlists,
	} {
		for _, n := range names {
			set[kind+" "+n] = true
		}
	}
	return set
}

// compare lists sections nobody asked for and sections that are missing.
func (w *Sections) compare(parts []part) []Reason {
	missing := w.services()
	for _, n := range w.Userlists {
		delete(missing, "userlist "+n)
	}
	allowed := w.services()
	for _, n := range w.Other {
		allowed[n] = true
	}
	var reasons []Reason
	for _, p := range parts {
		asked := allowed[p.kind+" "+p.name] || p.kind == "global" || p.kind == "defaults" && p.name == ""
		for _, space := range p.namespaces() {
			key := space + " " + p.name
			asked = asked || allowed[key]
			delete(missing, key)
		}
		if !asked {
			reasons = append(reasons, p.reason("nobody asked for section %s %s", p.kind, shorten(p.name)))
		}
	}
	for key := range missing {
		_, name, _ := strings.Cut(key, " ")
		reasons = append(reasons, Reason{Section: name, Message: "section " + key + " is missing"})
	}
	slices.SortFunc(reasons, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Message, b.Message))
	})
	return reasons
}

// maxConfigLine is where config-parser stops reading; HAProxy itself refuses lines long before.
const maxConfigLine = 60 << 10

// parsing guards config-parser's package variables.
var parsing sync.Mutex

// kinds are the sections that config-parser and mlb both know.
var kinds = map[string]parser.Section{
	"frontend": parser.Frontends, "listen": parser.Listen, "backend": parser.Backends, "userlist": parser.UserList,
}

// parse reads the section's text with config-parser, which must see one section of this kind and name and no other. The
// parser may panic on lines it does not expect; that is a reason as well.
func (p part) parse() (reasons []Reason) {
	for l := range bytes.Lines(p.text) {
		if len(l) > maxConfigLine {
			return []Reason{p.reason("a line of %d bytes: expected at most %d", len(l), maxConfigLine)}
		}
	}
	if _, ok := kinds[p.kind]; !ok {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			reasons = []Reason{p.reason("not parsable: %v", r)}
		}
	}()
	parsing.Lock()
	defer parsing.Unlock()
	c, err := parser.New(options.String(string(p.text)), options.UseListenSectionParsers)
	if err != nil {
		return []Reason{p.reason("not parsable: %v", err)}
	}
	for k, s := range kinds {
		names, _ := c.SectionsGet(s)
		if k == p.kind && !slices.Equal(names, []string{p.name}) || k != p.kind && len(names) > 0 {
			reasons = append(reasons, p.reason("holds sections of kind %s: %q", k, names))
		}
	}
	return reasons
}

// scanBinds lists the addresses after "bind", in order and without repeats.
func scanBinds(config []byte) []string {
	var binds []string
	for line := range bytes.Lines(config) {
		if line = bytes.TrimLeft(line, " \t"); !bytes.HasPrefix(line, []byte("bind")) {
			continue
		}
		if f := bytes.Fields(line); len(f) > 1 && string(f[0]) == "bind" {
			binds = append(binds, string(f[1]))
		}
	}
	slices.Sort(binds)
	return slices.Compact(binds)
}
