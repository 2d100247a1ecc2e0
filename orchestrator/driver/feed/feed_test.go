package feed

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"berth/orchestrator/driver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryWatcherGetsEveryChangeInOrder(t *testing.T) {
	var f Feed
	a, b := f.Watch(t.Context()), f.Watch(t.Context())
	for i := range 3 {
		f.Publish(driver.Status{TaskID: fmt.Sprint(i)})
	}
	f.Close()
	for _, c := range []<-chan driver.Status{a, b} {
		var got string
		for s := range c {
			got += s.TaskID
		}
		if got != "012" {
			t.Errorf("got %q", got)
		}
	}
	if _, open := <-f.Watch(t.Context()); open {
		t.Error("a closed feed was watched")
	}
}

func TestASlowWatcherIsCutOffAndHarmsNobody(t *testing.T) {
	var f Feed
	slow, quick := f.Watch(t.Context()), f.Watch(t.Context())
	for range Backlog + 1 {
		f.Publish(driver.Status{})
		<-quick
	}
	n := 0
	for range slow {
		n++
	}
	if n != Backlog {
		t.Errorf("the slow one got %d changes", n)
	}
	f.Publish(driver.Status{TaskID: "later"})
	if s := <-quick; s.TaskID != "later" {
		t.Errorf("the quick one got %+v", s)
	}
	f.Disconnect()
	if _, open := <-quick; open {
		t.Error("still connected")
	}
}

func TestAContextEndsItsWatchAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f Feed
		ctx, cancel := context.WithCancel(t.Context())
		a, b := f.Watch(ctx), f.Watch(t.Context())
		cancel()
		synctest.Wait()
		f.Publish(driver.Status{TaskID: "x"})
		if s, open := <-a; open {
			t.Errorf("the ended one got %+v", s)
		}
		if s := <-b; s.TaskID != "x" {
			t.Errorf("the other got %+v", s)
		}
		f.Close()
	})
}
