package store

import (
	"testing"
	"testing/synctest"
	"time"

	"berth/orchestrator/api"
)

// say makes one write of n events.
func say(t *testing.T, s *Store, n int) {
	t.Helper()
	must(t, s, func(tx *Tx) {
		tx.NextVersion(time.Now())
		for range n {
			tx.Emit(api.Event{Type: "x"})
		}
	})
}

// listen subscribes and takes the first event.
func listen(t *testing.T, s *Store) <-chan api.Event {
	t.Helper()
	c, cancel := s.Subscribe(api.Event{Type: "first"})
	t.Cleanup(cancel)
	if e := <-c; e.Type != "first" {
		t.Fatalf("first event %+v", e)
	}
	return c
}

// take receives n events; it reports how many came before the end.
func take(c <-chan api.Event, n int) int {
	for i := range n {
		if _, ok := <-c; !ok {
			return i
		}
	}
	return n
}

func TestOneLargeWriteCutsNobodyOff(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true})
	const n = 3*EventBuffer + EventLimit
	one, two := listen(t, s), listen(t, s)
	say(t, s, n)
	for i, c := range []<-chan api.Event{one, two} {
		if got := take(c, n); got != n {
			t.Errorf("subscriber %d got %d events of %d", i, got, n)
		}
	}
}

func TestWhoDoesNotReadIsCutOff(t *testing.T) {
	for name, test := range map[string]struct {
		events int
		after  time.Duration
		cut    bool
	}{
		"few events wait as long as it takes": {EventBuffer - 1, time.Hour, false},
		"many may wait for a moment":          {EventBuffer, EventPatience - time.Millisecond, false},
		"many that wait too long":             {EventBuffer, EventPatience, true},
		"more than can be kept":               {EventLimit, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, file(t), Options{NoSync: true})
				c := listen(t, s)
				say(t, s, test.events)
				time.Sleep(test.after)
				say(t, s, 1)
				synctest.Wait()
				all := test.events + 1
				if got := take(c, all); (got < all) != test.cut {
					t.Errorf("%d events of %d", got, all)
				}
			})
		})
	}
}

func TestWhoReadsSlowlyButKeepsUpIsNotCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, file(t), Options{NoSync: true})
		c := listen(t, s)
		for range 10 {
			say(t, s, 3*EventBuffer)
			time.Sleep(EventPatience / 2)
			if got := take(c, 3*EventBuffer); got != 3*EventBuffer {
				t.Fatalf("%d events", got)
			}
		}
	})
}
