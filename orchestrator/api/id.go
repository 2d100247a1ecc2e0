package api

import (
	"fmt"
	"strings"
)

// Limits of ids (section 3.1). Segments and whole labels beyond maxDNSLabel break the DNS names made of them.
const (
	maxID       = 512
	maxDNSLabel = 54
)

// ParseID reads the id of an app or group and returns its absolute form, /group/app (section 3.1). base is the group a
// relative id belongs to; "" and "/" are the root. The error is an *Error of CodeInvalid at /id.
func ParseID(s, base string) (string, error) {
	var p problems
	id := p.id("/id", s, base)
	return id, p.err(messageInvalidObject)
}

// id reads an id found at path; what it returns is only an id if it added no problem.
func (p *problems) id(path, s, base string) string {
	segments, ok := p.resolve(path, s, base)
	if !ok {
		return ""
	}
	id := "/" + strings.Join(segments, "/")
	switch {
	case len(segments) == 0:
		p.add(path, "expected a path such as /group/app, found the root")
	case len(id) > maxID:
		p.add(path, "has %d characters, the limit is %d", len(id), maxID)
	default:
		p.reserved(path, segments)
	}
	return id
}

// resolve splits an id into segments, resolving "." and "..".
func (p *problems) resolve(path, s, base string) ([]string, bool) {
	if len(s) > 8*maxID {
		p.add(path, "has %d characters, the limit is %d", len(s), maxID)
		return nil, false
	}
	if strings.Trim(s, "/") == "" {
		p.add(path, "expected a path such as /group/app, found %s", quote(s))
		return nil, false
	}
	if !strings.HasPrefix(s, "/") {
		s = base + "/" + s
	}
	var out []string
	for segment := range strings.SplitSeq(s, "/") {
		switch {
		case segment == "" || segment == ".":
		case segment == ".." && len(out) == 0:
			p.add(path, "%s leads above the root", quote(s))
			return nil, false
		case segment == "..":
			out = out[:len(out)-1]
		case !validSegment(segment):
			p.add(path, "segment %s: expected lower-case letters, digits and inner hyphens, in labels joined by dots",
				quote(segment))
			return nil, false
		default:
			out = append(out, segment)
		}
	}
	return out, true
}

// reserved finds the words that the routes of the API could not tell from an id.
func (p *problems) reserved(path string, segments []string) {
	switch last := segments[len(segments)-1]; last {
	case "restart", "tasks", "versions":
		p.add(path, "must not end in %q, which is part of the API's own paths", last)
	}
	if len(segments) < 3 {
		return
	}
	switch s := segments[len(segments)-2]; s {
	case "tasks", "versions":
		p.add(path, "must not have %q before its last segment: the API could not address it", s)
	}
}

func validSegment(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if !validLabel(label) {
			return false
		}
	}
	return true
}

// validLabel accepts lower-case letters, digits and inner hyphens.
func validLabel(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// Parent returns the id of the group that an absolute id lies in, "/" for those at the top.
func Parent(id string) string {
	if i := strings.LastIndexByte(id, '/'); i > 0 {
		return id[:i]
	}
	return "/"
}

// Inside reports whether an absolute id lies below the group, at any depth.
func Inside(id, group string) bool {
	if group == "/" {
		return id != "/"
	}
	return len(id) > len(group) && id[len(group)] == '/' && strings.HasPrefix(id, group)
}

// warnAboutName says where a DNS name made of id would not be what one expects.
func (n *Notes) warnAboutName(id string) {
	for segment := range strings.SplitSeq(strings.Trim(id, "/"), "/") {
		var why string
		switch {
		case len(segment) > maxDNSLabel:
			why = fmt.Sprintf("it has more than %d characters", maxDNSLabel)
		case strings.Contains(segment, "."):
			why = "it contains a dot"
		default:
			continue
		}
		n.warn("id %s: segment %s breaks the app's DNS name because %s", id, quote(segment), why)
	}
}
