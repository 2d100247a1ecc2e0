package api

import "maps"

// ParseApp reads a whole app definition: decoded with case-sensitive keys, normalised to the 1.5 shape, defaults filled
// in, validated (sections 3 to 5.2 and 11). Version and read-only fields are dropped. The error is an *Error that lists
// everything wrong at once: first all values of a wrong type, and if there are none all rules broken.
func ParseApp(data []byte) (*App, Notes, error) {
	u, notes, err := readUpdate(data)
	if err != nil {
		return nil, Notes{}, err
	}
	app, more, err := u.Apply(nil)
	if err != nil {
		return nil, Notes{}, err
	}
	return app, notes.and(more), nil
}

// Update is a partial change of an app: the fields a client gave, and no others (section 8.1).
type Update struct {
	ID       string    // absolute, or "" if not given; a caller that knows the id from the URL may set it
	Rollback Timestamp // set when the document is {"version":…}: return to that version; Apply then changes nothing

	sent  App             // as decoded, legacy fields included
	given map[string]bool // fields of sent that were there and not null
	rules problems        // broken rules that decoding found; Apply reports them with its own
}

// ParseUpdate reads a partial update. It refuses text that is not JSON, values of a wrong type, a bad id, and a version
// together with fields to change; everything else is checked by Apply.
//
// Whether the update's ID is the one in the URL is for the caller to check.
func ParseUpdate(data []byte) (*Update, Notes, error) {
	u, notes, err := readUpdate(data)
	if err != nil {
		return nil, Notes{}, err
	}
	if u.given["id"] && u.ID == "" {
		return nil, Notes{}, u.rules.err(messageInvalidObject)
	}
	if u.given["version"] {
		if err := u.detectRollback(notes.Unknown); err != nil {
			return nil, Notes{}, err
		}
	}
	return u, notes, nil
}

// Given reports whether the document has the top-level field, with a value other than null.
func (u *Update) Given(field string) bool { return u.given[field] }

func readUpdate(data []byte) (*Update, Notes, error) {
	root, repeated, err := parseTree(data)
	if err != nil {
		return nil, Notes{}, err
	}
	u, notes, err := updateOf(&root, "/")
	if err != nil {
		return nil, Notes{}, err
	}
	var d decoder
	d.warnRepeated(repeated)
	return u, d.notes.and(notes), nil
}

// updateOf reads an update from a document, or a part of one; base is the group that a relative id belongs to.
func updateOf(root *node, base string) (*Update, Notes, error) {
	u := &Update{given: map[string]bool{}}
	d := decodeNode(root, &u.sent)
	if d.badType {
		return nil, Notes{}, d.err()
	}
	special := specialFields[appType]
	for i, name := range root.names {
		if _, ok := special[name]; !ok && root.items[i].kind != kindNull {
			u.given[name] = true
		}
	}
	u.rules = d.problems
	if u.given["id"] {
		u.ID = u.rules.givenID(u.sent.ID, base)
	}
	return u, d.notes, nil
}

// givenID returns the absolute form of an id, or "" with a problem noted.
func (p *problems) givenID(s, base string) string {
	var own problems
	id := own.id("/id", s, base)
	if own.empty() {
		return id
	}
	p.addAll(own)
	return ""
}

// detectRollback accepts a version alone, with an id, or with the read-only fields of a document that was read before.
func (u *Update) detectRollback(unknown []string) error {
	others := maps.Clone(u.given)
	delete(others, "id")
	delete(others, "version")
	if len(others) > 0 || len(unknown) > 0 {
		var p problems
		p.add("/version", "a version asks for a rollback and cannot stand beside fields to change; leave it out to change them")
		return p.err(messageInvalidObject)
	}
	if u.sent.Version.IsZero() {
		var p problems
		p.add("/version", "names no version")
		return p.err(messageInvalidObject)
	}
	u.Rollback = u.sent.Version
	return nil
}
