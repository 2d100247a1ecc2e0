package program

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestArgsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Program{
			Stdout: rapid.String().Draw(t, "stdout"), Stderr: rapid.String().Draw(t, "stderr"),
			Lines: rapid.Int().Draw(t, "lines"), Ticks: rapid.Int().Draw(t, "ticks"),
			TickEvery: time.Duration(rapid.Int64().Draw(t, "every")), Run: rapid.Bool().Draw(t, "run"),
			Exit: rapid.Int().Draw(t, "exit"), Crash: rapid.Bool().Draw(t, "crash"), Stray: rapid.Bool().Draw(t, "stray"),
			IgnoreTerm: rapid.Bool().Draw(t, "ignore"), Drain: time.Duration(rapid.Int64().Draw(t, "drain")),
		}
		got, err := Parse(want.Args())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("program (-want +got):\n%s", diff)
		}
	})
}

func TestBadArgumentsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-nosuch"}, {"-exit=x"}, {"word"}} {
		if _, err := Parse(args); err == nil {
			t.Errorf("Parse(%q): no error", args)
		}
	}
}
