package orchestrator

import (
	"container/heap"
	"time"

	"berth/orchestrator/reconcile"
)

// wakes are the moments at which apps have to be looked at again: one for each app, the earliest.
type wakes struct {
	at   map[string]time.Time
	heap wakeHeap
}

func (w *wakes) forget(app string) { delete(w.at, app) }

func (w *wakes) set(app string, at time.Time) {
	if have, ok := w.at[app]; ok && !at.Before(have) {
		return
	}
	w.at[app] = at
	heap.Push(&w.heap, reconcile.Wake{App: app, At: at})
}

// due adds the apps whose time has come.
func (w *wakes) due(now time.Time, apps map[string]struct{}) {
	for {
		at := w.next()
		if at.IsZero() || at.After(now) {
			return
		}
		app := heap.Pop(&w.heap).(reconcile.Wake).App
		delete(w.at, app)
		apps[app] = struct{}{}
	}
}

// next is the earliest moment, or zero. Entries that were replaced are dropped on the way.
func (w *wakes) next() time.Time {
	for len(w.heap) > 0 {
		top := w.heap[0]
		if at, ok := w.at[top.App]; ok && at.Equal(top.At) {
			return top.At
		}
		heap.Pop(&w.heap)
	}
	return time.Time{}
}

type wakeHeap []reconcile.Wake

func (h wakeHeap) Len() int           { return len(h) }
func (h wakeHeap) Less(i, j int) bool { return h[i].At.Before(h[j].At) }
func (h wakeHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *wakeHeap) Push(x any)        { *h = append(*h, x.(reconcile.Wake)) }
func (h *wakeHeap) Pop() any {
	old := *h
	w := old[len(old)-1]
	*h = old[:len(old)-1]
	return w
}
