package haproxy

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"sync"

	parser "github.com/haproxytech/config-parser/v5"
	"github.com/haproxytech/config-parser/v5/common"
	"github.com/haproxytech/config-parser/v5/options"
	"github.com/haproxytech/config-parser/v5/types"
)

// Structure checks the shape of rendered configurations before HAProxy sees them: it parses, no section exists twice, and
// every section is one the model asks for, so none was smuggled in by an app's value. It remembers the sections it has seen,
// so a check costs what changed. It is safe for concurrent use.
type Structure struct {
	mu   sync.Mutex
	seen map[[sha256.Size]byte][]string // by the hash of a section's text: the addresses it binds
}

// Sections says which sections a configuration may have, and which it must have.
type Sections struct {
	// Frontends and Backends are what the model asks for; each must be there (as itself, or as a listen section).
	Frontends, Backends []string
	// Other may be there too: what the templates have without any app, "<kind> <name>", such as "listen stats".
	Other []string
	// Userlists belong to apps and may be there.
	Userlists []string
}

// maxConfigLine is where config-parser stops reading; HAProxy itself refuses lines long before.
const maxConfigLine = 64 << 10

// Check returns what is wrong with config, or the addresses bound by it. want may be nil: then any section is welcome.
func (s *Structure) Check(config []byte, want *Sections) ([]string, error) {
	sections := splitSections(config)
	if r := duplicates(sections); r != nil {
		return nil, &CheckError{r}
	}
	if want != nil {
		if r := want.compare(sections); r != nil {
			return nil, &CheckError{r}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := make(map[[sha256.Size]byte][]string, len(sections))
	var binds []string
	for _, part := range sections {
		key := sha256.Sum256(part.text)
		addresses, ok := s.seen[key]
		if !ok {
			var err error
			if addresses, err = part.parse(); err != nil {
				return nil, err
			}
		}
		seen[key] = addresses
		binds = append(binds, addresses...)
	}
	s.seen = seen // forgets what is gone
	return binds, nil
}

// part is a section with its text.
type part struct {
	section
	text []byte
}

func splitSections(config []byte) []part {
	heads := scanSections(config)
	parts := make([]part, len(heads))
	offset, line, i := 0, 1, 0
	starts := make([]int, len(heads)+1)
	for l := range bytes.Lines(config) {
		if i < len(heads) && heads[i].line == line {
			starts[i] = offset
			i++
		}
		offset += len(l)
		line++
	}
	starts[len(heads)] = len(config)
	for i, h := range heads {
		parts[i] = part{h, config[starts[i]:starts[i+1]]}
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

// compare lists sections nobody asked for and sections that are missing.
func (w *Sections) compare(parts []part) []Reason {
	allowed := map[string]bool{}
	missing := map[string]bool{}
	for kind, names := range map[string][]string{"frontend": w.Frontends, "backend": w.Backends} {
		for _, n := range names {
			missing[kind+" "+n] = true
		}
	}
	for _, n := range w.Userlists {
		allowed["userlist "+n] = true
	}
	for _, n := range w.Other {
		allowed[n] = true
	}
	var reasons []Reason
	for _, p := range parts {
		asked := allowed[p.kind+" "+p.name] || p.kind == "global" || p.kind == "defaults" && p.name == ""
		for _, space := range p.namespaces() {
			if key := space + " " + p.name; missing[key] || allowed[key] {
				asked = true
				delete(missing, key)
			}
		}
		if !asked {
			reasons = append(reasons, p.reason("nobody asked for section %s %s", p.kind, shorten(p.name)))
		}
	}
	for key := range missing {
		_, name, _ := bytes.Cut([]byte(key), []byte(" "))
		reasons = append(reasons, Reason{Section: string(name), Message: "section " + key + " is missing"})
	}
	slices.SortFunc(reasons, func(a, b Reason) int { return bytes.Compare([]byte(a.Message), []byte(b.Message)) })
	return reasons
}

// parsing guards config-parser's package variables.
var parsing sync.Mutex

// kinds are the sections that bind addresses, in config-parser's words.
var kinds = map[string]parser.Section{
	"frontend": parser.Frontends, "listen": parser.Listen, "backend": parser.Backends, "userlist": parser.UserList,
}

// parse reads the section's text with config-parser, which must see one section of this kind and name, and returns the
// addresses it binds.
func (p part) parse() ([]string, error) {
	for l := range bytes.Lines(p.text) {
		if len(l) >= maxConfigLine {
			return nil, &CheckError{[]Reason{p.reason("a line of %d bytes: expected fewer than %d", len(l), maxConfigLine)}}
		}
	}
	kind, ok := kinds[p.kind]
	if !ok {
		return nil, nil
	}
	parsing.Lock()
	defer parsing.Unlock()
	c, err := parser.New(options.UseListenSectionParsers)
	if err != nil {
		return nil, fmt.Errorf("parse section %s %s: %w", p.kind, p.name, err)
	}
	if err := c.Process(bytes.NewReader(p.text)); err != nil {
		return nil, &CheckError{[]Reason{p.reason("not parsable: %v", err)}}
	}
	for k, s := range kinds {
		names, _ := c.SectionsGet(s)
		if k == p.kind && !slices.Equal(names, []string{p.name}) || k != p.kind && len(names) > 0 {
			return nil, &CheckError{[]Reason{p.reason("holds sections of kind %s: %q", k, names)}}
		}
	}
	return bound(c, kind, p.name), nil
}

func bound(c parser.Parser, kind parser.Section, name string) []string {
	if kind != parser.Frontends && kind != parser.Listen {
		return nil
	}
	data, err := c.Get(kind, name, "bind")
	if err != nil {
		return nil // has no bind line
	}
	return bindPaths(data)
}

func bindPaths(data common.ParserData) []string {
	var addresses []string
	if list, ok := data.([]types.Bind); ok {
		for _, b := range list {
			addresses = append(addresses, b.Path)
		}
	}
	return addresses
}
