package store

import (
	"strings"
	"sync"
	"testing"

	"berth/orchestrator/api"
)

func TestPanicInAWriteIsThatWritesErrorAlone(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true})
	enter, leave := make(chan struct{}), make(chan struct{})
	var writers sync.WaitGroup
	writers.Go(func() { // leads while the others line up
		must(t, s, func(tx *Tx) {
			close(enter)
			<-leave
			define(tx, "/first", 1)
		})
	})
	<-enter
	writers.Go(func() {
		_, err := s.Update(func(tx *Tx) error {
			define(tx, "/half", 1)
			panic("no such thing")
		})
		if err == nil || !strings.Contains(err.Error(), "no such thing") || !strings.Contains(err.Error(), "panic_test.go") {
			t.Errorf("error %v, want the panic and where it was", err)
		}
	})
	writers.Go(func() { must(t, s, func(tx *Tx) { define(tx, "/second", 1) }) })
	close(leave)
	writers.Wait()
	if s.App("/first") == nil || s.App("/half") != nil || s.App("/second") == nil {
		t.Errorf("apps after it: %v", state(s))
	}
	must(t, s, func(tx *Tx) { define(tx, "/later", 1) })
}

func TestPanicOfAListenerDoesNotStopTheStore(t *testing.T) {
	fail := true
	s := open(t, file(t), Options{NoSync: true, OnCommit: func([]Change) {
		if fail {
			panic("listener")
		}
	}})
	if _, err := s.Update(func(tx *Tx) error { define(tx, "/web", 1); return nil }); err == nil {
		t.Error("no error")
	}
	fail = false
	must(t, s, func(tx *Tx) { define(tx, "/web", api.Timestamp(2)) })
}
