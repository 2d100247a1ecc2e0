package api

import (
	"iter"
	"maps"
	"slices"
)

// sorted walks a map by key, so that messages come in the same order every time.
func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
