package orchestrator

import (
	"container/heap"
	"time"
)

// wakes are the moments at which apps have to be looked at again: one for each app, the earliest.
type wakes struct {
	at   map[string]*wake
	heap wakeHeap
}

// wake is an entry of the heap.
type wake struct {
	app   string
	at    time.Time
	place int // in the heap
}

func (w *wakes) forget(app string) {
	if e := w.at[app]; e != nil {
		heap.Remove(&w.heap, e.place)
		delete(w.at, app)
	}
}

func (w *wakes) set(app string, at time.Time) {
	e := w.at[app]
	switch {
	case e == nil:
		e = &wake{app: app, at: at}
		w.at[app] = e
		heap.Push(&w.heap, e)
	case at.Before(e.at):
		e.at = at
		heap.Fix(&w.heap, e.place)
	}
}

// due adds the apps whose time has come.
func (w *wakes) due(now time.Time, apps map[string]struct{}) {
	for len(w.heap) > 0 && !w.heap[0].at.After(now) {
		app := w.heap[0].app
		w.forget(app)
		apps[app] = struct{}{}
	}
}

// next is the earliest moment, or zero.
func (w *wakes) next() time.Time {
	if len(w.heap) == 0 {
		return time.Time{}
	}
	return w.heap[0].at
}

// wakeHeap is a heap by time whose entries know their places.
type wakeHeap []*wake

func (h wakeHeap) Len() int           { return len(h) }
func (h wakeHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }

func (h wakeHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *wakeHeap) Push(x any) {
	e := x.(*wake)
	e.place = len(*h)
	*h = append(*h, e)
}

func (h *wakeHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
