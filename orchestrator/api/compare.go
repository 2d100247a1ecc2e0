package api

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
)

// Change classes the difference between two definitions of an app (section 7.1).
type Change int

// Changes.
const (
	ChangeNone   Change = iota // nothing; version and versionInfo do not count
	ChangeScale                // instances and nothing else: no task is replaced
	ChangeConfig               // anything else: every task is replaced
)

func (c Change) String() string { return [...]string{"none", "scale", "config"}[c] }

// Compare tells what changes from old to now, both normalised. Between an app and none (nil) it is ChangeConfig.
func Compare(old, now *App) Change {
	if old == nil || now == nil {
		if old == now {
			return ChangeNone
		}
		return ChangeConfig
	}
	a, b := *old, *now
	a.Version, a.VersionInfo, b.Version, b.VersionInfo = 0, nil, 0, nil
	a.Instances = b.Instances
	switch {
	case !sameJSON(&a, &b):
		return ChangeConfig
	case old.Instances != now.Instances:
		return ChangeScale
	}
	return ChangeNone
}

// sameJSON takes two apps as equal if a client could not tell them apart: nil and empty are the same where both are
// left out.
func sameJSON(a, b *App) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// ChangedFields lists the top-level fields that differ, sorted; version and versionInfo do not count. It is what a plan
// shows as the cause of a restart.
func ChangedFields(old, now *App) []string {
	a, b := fieldTexts(old), fieldTexts(now)
	var changed []string
	for name := range allKeys(a, b) {
		if name != "version" && name != "versionInfo" && !bytes.Equal(a[name], b[name]) {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	return changed
}

func allKeys(a, b map[string]json.RawMessage) map[string]json.RawMessage {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func fieldTexts(a *App) map[string]json.RawMessage {
	fields := map[string]json.RawMessage{}
	if a == nil {
		return fields
	}
	if b, err := json.Marshal(a); err == nil {
		_ = json.Unmarshal(b, &fields) // what was just encoded decodes
	}
	return fields
}
