package dev

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal records what daemons do, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

// daemon that runs until told to stop, or ends at once with err.
func (j *journal) daemon(name string, err error) daemon {
	up := make(chan struct{})
	return daemon{
		name: name,
		run: func(ctx context.Context) error {
			j.add("start " + name)
			close(up)
			if err != nil {
				return err
			}
			<-ctx.Done()
			j.add("stop " + name)
			return ctx.Err()
		},
		ready: func(context.Context) error {
			select {
			case <-up:
				return err
			default:
				return errors.New("not yet")
			}
		},
	}
}

func TestDaemonsStopInTheOppositeOrder(t *testing.T) {
	var j journal
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := supervise(ctx, []daemon{j.daemon("a", nil), j.daemon("b", nil)}, func() error {
		j.add("up")
		cancel()
		return nil
	})
	want := []string{"start a", "start b", "up", "stop b", "stop a"}
	if err != nil || !slices.Equal(j.lines, want) {
		t.Errorf("error %v, order %v; want none, %v", err, j.lines, want)
	}
}

func TestADaemonThatFailsToStartStopsTheOthers(t *testing.T) {
	var j journal
	err := supervise(t.Context(), []daemon{j.daemon("a", nil), j.daemon("b", errors.New("no port"))}, func() error {
		t.Error("reported as up")
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "b ended: no port") {
		t.Errorf("error %v, want why b ended", err)
	}
	if want := []string{"start a", "start b", "stop a"}; !slices.Equal(j.lines, want) {
		t.Errorf("order %v, want %v", j.lines, want)
	}
}

func TestADaemonThatDiesLaterEndsTheRun(t *testing.T) {
	var j journal
	die := make(chan struct{})
	b := daemon{name: "b",
		run:   func(context.Context) error { <-die; return errors.New("gone") },
		ready: func(context.Context) error { return nil }}
	err := supervise(t.Context(), []daemon{j.daemon("a", nil), b}, func() error { close(die); return nil })
	if err == nil || !strings.Contains(err.Error(), "b ended: gone") {
		t.Errorf("error %v, want why b ended", err)
	}
	if !slices.Contains(j.lines, "stop a") {
		t.Errorf("a was not stopped: %v", j.lines)
	}
}

func TestAnInterruptedStartIsNoError(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	slow := daemon{name: "slow",
		run:   func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		ready: func(context.Context) error { cancel(); return errors.New("not yet") }}
	if err := supervise(ctx, []daemon{slow}, func() error { t.Error("up"); return nil }); err != nil {
		t.Error(err)
	}
}
