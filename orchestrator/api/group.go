package api

import (
	"errors"
	"math"
	"slices"
)

// GroupInfo is a group with what lies in it: the read representation (section 8.3).
type GroupInfo struct {
	ID           string       `json:"id"`
	Apps         []*AppInfo   `json:"apps"`   // sorted by id
	Groups       []*GroupInfo `json:"groups"` // likewise
	Dependencies []string     `json:"dependencies"`
	EnforceRole  bool         `json:"enforceRole"`
	Version      Timestamp    `json:"version"` // of the last change of the group or of anything below it
}

// GroupUpdate is what a document says of a group (section 8.3). A list that was not given is nil and leaves what is
// there; one that was given, if empty, is not nil and replaces it.
type GroupUpdate struct {
	ID           string // absolute, "/" for the root
	Apps         []*App // whole definitions, each directly in the group
	Groups       []*GroupUpdate
	Dependencies []string // absolute; written relative to the group, as in "../database"
	EnforceRole  *bool

	// One of these alone asks for something else than a change of the fields above.
	Rollback Timestamp // return to what the group was in this version
	ScaleBy  *float64  // multiply the instances of every app below, rounding up
}

// maxScaleBy bounds GroupUpdate.ScaleBy; the instances that come out are bounded too.
const maxScaleBy = 1e6

// ParseGroup reads a document that stands for the group at (absolute, "/" for the root): its id may be left out, or
// written relative to the root or to at's parent, but names no other group. Ids inside are relative to their group.
// Errors and notes are those of ParseApp, with the paths of a nested app or group put before its own: /apps(0)/cmd,
// /groups(1)/apps(0)/id.
func ParseGroup(data []byte, at string) (*GroupUpdate, Notes, error) {
	return parseGroup(data, func(p *problems, given *node) string {
		if given == nil || given.text == at {
			return at
		}
		for _, base := range []string{"/", Parent(at)} {
			var own problems
			if own.id("/id", given.text, base) == at && own.empty() {
				return at
			}
		}
		p.add("/id", "names the group %s, but the URL names %s", quote(given.text), at)
		return at
	})
}

// ParseNewGroup is ParseGroup for a document whose id is relative to the group base, and may be left out unless base is
// the root.
func ParseNewGroup(data []byte, base string) (*GroupUpdate, Notes, error) {
	return parseGroup(data, func(p *problems, given *node) string {
		if given == nil && base != "/" {
			return base
		}
		if given == nil {
			p.add("/id", "missing; expected a path such as /group")
			return base
		}
		return p.id("/id", given.text, base)
	})
}

func parseGroup(data []byte, place func(p *problems, given *node) string) (*GroupUpdate, Notes, error) {
	root, repeated, err := parseTree(data)
	if err != nil {
		return nil, Notes{}, err
	}
	r := &groupReader{}
	r.warnRepeated(repeated)
	g := r.group(&root, "", place)
	r.unique(g)
	if err := r.err(); err != nil {
		return nil, Notes{}, err
	}
	return g, r.notes, nil
}

// groupReader reads a tree of groups. It collects everything wrong with it; a wrong type anywhere makes the whole answer
// "Invalid JSON", as in a single app.
type groupReader struct{ decoder }

// group reads one group. prefix is its path, "" for the outermost.
func (r *groupReader) group(n *node, prefix string, place func(*problems, *node) string) *GroupUpdate {
	g := &GroupUpdate{}
	if n.kind != kindObject {
		r.wrongType(prefix+"/", kindObject.String(), n)
		return g
	}
	var own problems
	id := r.text(n, "id", prefix)
	g.ID = place(&own, id)
	for _, d := range own.list {
		for _, text := range d.Errors {
			r.add(prefix+d.Path, "%s", text)
		}
	}
	given := false
	for i, name := range n.names {
		v, path := &n.items[i], prefix+child("/", name)
		if v.kind == kindNull || name == "id" {
			continue
		}
		if !r.member(g, name, v, path) {
			continue
		}
		given = given || name != "version" && name != "scaleBy"
	}
	switch {
	case g.Rollback.IsZero() && g.ScaleBy == nil:
	case prefix != "":
		r.add(prefix+"/", "version and scaleBy are for the outermost group only")
	case given || !g.Rollback.IsZero() && g.ScaleBy != nil:
		r.add("/", "version (a rollback) and scaleBy stand alone in a document; leave them out to change the group")
	}
	return g
}

// text returns a member that is a string, or nil.
func (r *groupReader) text(n *node, name, prefix string) *node {
	v, ok := n.member(name)
	if !ok {
		return nil
	}
	if v.kind != kindText {
		r.wrongType(prefix+"/"+name, kindText.String(), v)
		return nil
	}
	return v
}

// member reads one member and reports whether it is one that asks for something.
func (r *groupReader) member(g *GroupUpdate, name string, v *node, path string) bool {
	switch name {
	case "apps":
		r.apps(g, v, path)
	case "groups":
		r.groups(g, v, path)
	case "dependencies":
		r.dependencies(g, v, path)
	case "enforceRole":
		on := false
		if r.scalar(v, kindBool, path, func() { on = v.truth }) {
			g.EnforceRole = &on
		}
	case "version":
		r.timestamp(v, &g.Rollback, path)
	case "scaleBy":
		f, ok := numberOf(v)
		switch {
		case !ok:
			r.wrongType(path, kindNumber.String(), v)
		case f < 0 || f > maxScaleBy:
			r.add(path, "expected a number from 0 to %v, found %v", float64(maxScaleBy), f)
		default:
			g.ScaleBy = &f
		}
	case "pods":
		if v.kind != kindList || len(v.items) > 0 {
			r.add(path, "not supported")
		}
		return false
	default:
		if len(r.notes.Unknown) < maxReported {
			r.notes.Unknown = append(r.notes.Unknown, path)
		}
		return false
	}
	return true
}

// items checks that v is a list that is not too long.
func (r *groupReader) items(v *node, path string) []node {
	if v.kind != kindList {
		r.wrongType(path, kindList.String(), v)
		return nil
	}
	if len(v.items) > MaxItems {
		r.add(path, "has %d items, the limit is %d", len(v.items), MaxItems)
		return nil
	}
	return v.items
}

func (r *groupReader) apps(g *GroupUpdate, v *node, path string) {
	items := r.items(v, path)
	g.Apps = make([]*App, 0, len(items))
	for i := range items {
		at := item(path, i)
		if app := r.app(&items[i], g.ID, at); app != nil {
			if Parent(app.ID) != g.ID {
				r.add(at+"/id", "%s is not directly in the group %s", app.ID, g.ID)
			}
			g.Apps = append(g.Apps, app)
		}
	}
}

// app reads one app of a group, or returns nil and keeps what is wrong with it.
func (r *groupReader) app(n *node, base, at string) *App {
	u, notes, err := updateOf(n, base)
	if err != nil {
		r.take(err, at)
		return nil
	}
	app, more, err := u.Apply(nil)
	if err != nil {
		r.take(err, at)
		return nil
	}
	for _, path := range notes.Unknown {
		if len(r.notes.Unknown) < maxReported {
			r.notes.Unknown = append(r.notes.Unknown, at+path)
		}
	}
	for _, text := range append(notes.Warnings, more.Warnings...) {
		r.notes.warn("%s", text)
	}
	return app
}

// take keeps the details of an app's error.
func (r *groupReader) take(err error, at string) {
	var e *Error
	if !errors.As(err, &e) {
		r.add(at, "%s", err)
		return
	}
	r.badType = r.badType || e.Message == messageInvalidJSON
	for _, d := range e.Details {
		for _, text := range d.Errors {
			r.add(at+d.Path, "%s", text)
		}
	}
}

func (r *groupReader) groups(g *GroupUpdate, v *node, path string) {
	items := r.items(v, path)
	g.Groups = make([]*GroupUpdate, 0, len(items))
	for i := range items {
		g.Groups = append(g.Groups, r.group(&items[i], item(path, i), func(p *problems, given *node) string {
			if given == nil {
				p.add("/id", "missing; expected a path in the group %s", g.ID)
				return ""
			}
			id := p.id("/id", given.text, g.ID)
			if id != "" && Parent(id) != g.ID {
				p.add("/id", "%s is not directly in the group %s", id, g.ID)
			}
			return id
		}))
	}
}

func (r *groupReader) dependencies(g *GroupUpdate, v *node, path string) {
	items := r.items(v, path)
	g.Dependencies = make([]string, 0, len(items))
	for i := range items {
		at := item(path, i)
		r.scalar(&items[i], kindText, at, func() {
			var own problems
			id := own.id(at, items[i].text, g.ID)
			r.addAll(own)
			if own.empty() && !slices.Contains(g.Dependencies, id) {
				g.Dependencies = append(g.Dependencies, id)
			}
		})
	}
}

// unique finds ids that stand in the document twice, as those of apps or of groups.
func (r *groupReader) unique(g *GroupUpdate) {
	seen := map[string]string{}
	note := func(id, at string) {
		if first, ok := seen[id]; ok && id != "" {
			r.add(at+"/id", "%s is also the id at %s/id", id, first)
			return
		}
		seen[id] = at
	}
	var walk func(g *GroupUpdate, prefix string)
	walk = func(g *GroupUpdate, prefix string) {
		for i, a := range g.Apps {
			note(a.ID, prefix+item("/apps", i))
		}
		for i, sub := range g.Groups {
			at := prefix + item("/groups", i)
			note(sub.ID, at)
			walk(sub, at)
		}
	}
	walk(g, "")
}

// ScaledBy returns how many instances f times n are, rounded up; ok is false if that is too many.
func ScaledBy(n int, f float64) (scaled int, ok bool) {
	x := math.Ceil(float64(n)*f - 1e-9)
	if x > math.MaxInt32 {
		return 0, false
	}
	return max(int(x), 0), true
}
