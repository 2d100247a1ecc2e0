package orchestrator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Wakes do what a plain map of moments does, and keep no more entries than it.
func TestWakesAreOnePerAppTheEarliest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wakes{at: map[string]*wake{}}
		want := map[string]time.Time{}
		app := rapid.SampledFrom([]string{"/a", "/b", "/c", "/d"})
		moment := rapid.Map(rapid.Int64Range(1, 50), func(n int64) time.Time { return time.Unix(n, 0) })
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				id, at := app.Draw(t, "app"), moment.Draw(t, "at")
				w.set(id, at)
				if have, ok := want[id]; !ok || at.Before(have) {
					want[id] = at
				}
			},
			"forget": func(t *rapid.T) {
				id := app.Draw(t, "app")
				w.forget(id)
				delete(want, id)
			},
			"due": func(t *rapid.T) {
				now := moment.Draw(t, "now")
				got, expected := map[string]struct{}{}, map[string]struct{}{}
				w.due(now, got)
				for id, at := range want {
					if !at.After(now) {
						expected[id] = struct{}{}
						delete(want, id)
					}
				}
				if d := cmp.Diff(expected, got); d != "" {
					t.Fatalf("due at %s:\n%s", now, d)
				}
			},
			"": func(t *rapid.T) {
				var first time.Time
				for _, at := range want {
					if first.IsZero() || at.Before(first) {
						first = at
					}
				}
				if got := w.next(); !got.Equal(first) {
					t.Fatalf("next is %s, want %s", got, first)
				}
				if len(w.heap) != len(want) || len(w.at) != len(want) {
					t.Fatalf("%d entries in the heap, %d by app, want %d", len(w.heap), len(w.at), len(want))
				}
			},
		})
	})
}
