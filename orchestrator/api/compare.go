package api

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// Change classes the difference between two definitions of an app (section 7.1).
type Change int

// Changes.
const (
	ChangeNone   Change = iota // nothing; version and versionInfo do not count
	ChangeScale                // instances, or a canary's share of the traffic, and nothing else: no task is replaced
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
	a.Labels, b.Labels = withoutShare(a.Labels), withoutShare(b.Labels)
	switch {
	case !sameJSON(&a, &b):
		return ChangeConfig
	case old.Instances != now.Instances, share(old) != share(now):
		return ChangeScale
	}
	return ChangeNone
}

// share is the text of a canary's share, with whether there is one.
func share(a *App) [2]string {
	v, ok := a.Labels[LabelCanaryWeight]
	return [2]string{v, strconv.FormatBool(ok)}
}

func withoutShare(labels map[string]string) map[string]string {
	if _, ok := labels[LabelCanaryWeight]; !ok {
		return labels
	}
	c := maps.Clone(labels)
	delete(c, LabelCanaryWeight)
	return c
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
