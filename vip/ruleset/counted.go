package ruleset

import (
	"maps"
	"slices"
)

// counted is a sorted list of values that several owners hold. The list is copied before it changes, because rulesets
// made earlier share it.
type counted[T comparable] struct {
	compare func(T, T) int
	n       map[T]int
	list    []T
	fresh   []T // in n, not yet in list
	stale   bool
}

func newCounted[T comparable](compare func(T, T) int) *counted[T] {
	return &counted[T]{compare: compare, n: map[T]int{}}
}

func (c *counted[T]) add(v T) {
	if c.n[v]++; c.n[v] == 1 {
		c.fresh = append(c.fresh, v)
	}
}

func (c *counted[T]) remove(v T) {
	if c.n[v]--; c.n[v] <= 0 {
		delete(c.n, v)
		c.stale = true
	}
}

// sorted returns the list, and whether it differs from the one before.
func (c *counted[T]) sorted() ([]T, bool) {
	if len(c.fresh) == 0 && !c.stale {
		return c.list, false
	}
	before := c.list
	switch {
	case c.stale || len(c.fresh) > 64:
		c.list = slices.SortedFunc(maps.Keys(c.n), c.compare)
	default:
		c.list = slices.Clone(before)
		for _, v := range c.fresh {
			if i, ok := slices.BinarySearchFunc(c.list, v, c.compare); !ok {
				c.list = slices.Insert(c.list, i, v)
			}
		}
	}
	c.fresh, c.stale = nil, false
	if slices.Equal(before, c.list) {
		c.list = before
		return before, false
	}
	return c.list, true
}
