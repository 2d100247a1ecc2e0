package nft

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	"berth/vip/nettest"
	"berth/vip/ruleset"
)

func TestOnlyStrangersChangesAreReported(t *testing.T) {
	nettest.Need(t, "nft")
	c := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	touched := make(chan struct{}, 100)
	done := make(chan error)
	go func() { done <- Monitor(ctx, func() { touched <- struct{}{} }) }()
	defer func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}()
	stranger := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("nft", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	expect := func(what string, want bool) {
		t.Helper()
		got := false
		select {
		case <-touched:
			got = true
		case <-time.After(map[bool]time.Duration{true: 5 * time.Second, false: 100 * time.Millisecond}[want]):
		}
		if got != want {
			t.Fatalf("%s: reported %v, want %v", what, got, want)
		}
	}
	deadline := time.Now().Add(30 * time.Second) // until the monitor listens
	for ready := false; !ready && time.Now().Before(deadline); {
		stranger("add table inet " + ruleset.Table)
		stranger("delete table inet " + ruleset.Table)
		select {
		case <-touched:
			ready = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	time.Sleep(50 * time.Millisecond)
	for len(touched) > 0 {
		<-touched
	}
	if err := c.Apply(ruleset.Diff(nil, sample())); err != nil {
		t.Fatal(err)
	}
	expect("our own change", false)
	stranger("add table inet other")
	expect("another table", false)
	stranger("delete table inet other")
	stranger("add element inet " + ruleset.Table + " vips4 { 198.51.100.200 }")
	expect("an element of ours", true)
	stranger("flush ruleset")
	expect("everything flushed", true)
}
