package haproxy

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Reason is one complaint of HAProxy about a configuration.
type Reason struct {
	File    string // base name, "" when HAProxy names none
	Line    int    // 0 when HAProxy names none
	Section string // name of the section the complaint belongs to: a frontend, backend, …; "" when unknown
	Message string
	InUse   bool // somebody else listens on the address of Section, a frontend
}

func (r Reason) String() string {
	s := r.Message
	if r.Line > 0 {
		s = fmt.Sprintf("%s:%d: %s", r.File, r.Line, s)
	}
	if r.Section != "" {
		s += " (section " + r.Section + ")"
	}
	return s
}

// CheckError says why HAProxy would not run a configuration.
type CheckError struct {
	Reasons []Reason
	// NoVerdict is set when HAProxy had not made up its mind in time: it would not come up in time either. It may be one
	// text that makes it slow, or a machine that is.
	NoVerdict bool
}

func (e *CheckError) Error() string {
	var b strings.Builder
	for i, r := range e.Reasons {
		if i == 3 {
			fmt.Fprintf(&b, "; and %d more", len(e.Reasons)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(r.String())
	}
	return b.String()
}

const maxReasons = 100

var (
	alertLine = regexp.MustCompile(`^\[ALERT\]\s*(?:\d+/\d+\s*)?\(\d+\) : (?:config : )?(.*)$`)
	serving   = regexp.MustCompile(`has no server available`) // about health, not about a configuration
	parsingAt = regexp.MustCompile(`^parsing \[([^\]]*):(\d{1,9})\] ?: (.*)$`)
	summing   = regexp.MustCompile(`^(Error\(s\) found in configuration file|Fatal errors found in configuration|` +
		`Proxy '.*' contains no|Some configuration options require)`)
	// The ways in which HAProxy names a proxy in a message.
	proxyName = regexp.MustCompile(`(?:[Pp]roxy|frontend|backend|listen|userlist|section)(?: name)? '?` +
		`([A-Za-z0-9_.:-]+)'?`)
)

// parseReasons reads what HAProxy 2.6 to 3.x writes on stderr:
//
//	[ALERT]    (30093) : config : parsing [/etc/haproxy/haproxy.cfg:6] : unknown keyword 'bogus' in 'backend' section
//	[ALERT]    (30093) : Starting frontend x: cannot bind socket (Address already in use) [127.0.0.1:18080]
//
// Lines that only sum up are left out as long as something else is there.
func parseReasons(text string, config []byte) []Reason {
	var reasons, sums []Reason
	for line := range strings.Lines(text) {
		m := alertLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || len(reasons) >= maxReasons || serving.MatchString(m[1]) {
			continue
		}
		r := Reason{Message: shorten(strings.TrimSpace(m[1]))}
		if p := parsingAt.FindStringSubmatch(m[1]); p != nil {
			r.File, r.Message = p[1][strings.LastIndexByte(p[1], '/')+1:], shorten(p[3])
			r.Line, _ = strconv.Atoi(p[2])
		}
		if r.Line == 0 && summing.MatchString(r.Message) {
			if len(sums) < maxReasons {
				sums = append(sums, r)
			}
			continue
		}
		r.InUse = strings.Contains(r.Message, "Address already in use")
		reasons = append(reasons, r)
	}
	if len(reasons) == 0 {
		reasons = sums
	}
	locate(reasons, config)
	return reasons
}

// locate finds the sections that reasons belong to: by line number, or by a proxy named in the message.
func locate(reasons []Reason, config []byte) {
	sections := scanSections(config)
	for i := range reasons {
		r := &reasons[i]
		if r.Line > 0 && !strings.HasSuffix(r.File, ".map") {
			r.Section = sectionAt(sections, r.Line)
		}
		if r.Section == "" {
			for _, m := range proxyName.FindAllStringSubmatch(r.Message, -1) {
				if name := strings.TrimRight(m[1], ".:"); named(sections, name) {
					r.Section = name
					break
				}
			}
		}
	}
}

// section is a section of a configuration text.
type section struct {
	line       int // of its first line, from 1
	offset     int // of its first byte
	kind, name string
}

// scanSections lists the sections of a configuration as HAProxy sees them: a line that begins with a section keyword.
func scanSections(config []byte) []section {
	var all []section
	n, offset := 0, 0
	for line := range bytes.Lines(config) {
		n++
		start := offset
		offset += len(line)
		line = bytes.TrimLeft(line, " \t")
		end := bytes.IndexAny(line, " \t\r\n")
		if end < 0 || !sectionKeywords[string(line[:end])] {
			continue
		}
		f := bytes.Fields(line)
		s := section{line: n, offset: start, kind: string(f[0])}
		if len(f) > 1 && f[1][0] != '#' {
			s.name = string(f[1])
		}
		all = append(all, s)
	}
	return all
}

// sectionKeywords open a section (HAProxy 2.6 to 3.2). HAProxy ignores indentation, so a keyword that is also an option
// inside a section ("cache", "peers", "userlist" take part in rules but never begin a line there) is not listed twice.
var sectionKeywords = map[string]bool{
	"global": true, "defaults": true, "frontend": true, "backend": true, "listen": true, "userlist": true,
	"peers": true, "resolvers": true, "mailers": true, "program": true, "http-errors": true, "ring": true,
	"cache": true, "fcgi-app": true, "crt-store": true, "log-forward": true, "log-profile": true, "traces": true,
	"acme": true,
}

func sectionAt(sections []section, line int) string {
	name := ""
	for _, s := range sections {
		if s.line > line {
			break
		}
		name = s.name
		if name == "" {
			name = s.kind
		}
	}
	return name
}

func named(sections []section, name string) bool {
	for _, s := range sections {
		if s.name == name {
			return true
		}
	}
	return false
}
