package ruleset

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/orchestrator/api"
)

func TestApplyingTheDifferenceGivesWhatIsWanted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have, want := anyRuleset(t, "have"), anyRuleset(t, "want")
		if rapid.IntRange(0, 9).Draw(t, "empty") == 0 {
			have = nil
		}
		b := Diff(have, want)
		got, err := Apply(have, b)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		if !got.Equal(want) {
			t.Fatalf("got\n%s\nwant\n%s\nafter\n%s", got, want, b)
		}
	})
}

func TestTheDifferenceOfTheSameIsEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRuleset(t, "r")
		if b := Diff(r, r); !b.Empty() || b.String() != "" {
			t.Fatalf("got %s", b)
		}
	})
}

// Settling may move backends between slots, but must keep them, and costs no more than not settling.
func TestSettlingKeepsTheBackendsAndSavesElements(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have, want := anyRuleset(t, "have"), anyRuleset(t, "want")
		have.Layout = want.Layout
		got := Settle(have, want)
		if !sorted(got).Equal(sorted(want)) {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
		a, b := Diff(have, got), Diff(have, want)
		if a.Add.Len()+a.Del.Len() > b.Add.Len()+b.Del.Len() {
			t.Fatalf("settled\n%s\nnot settled\n%s", a, b)
		}
		if again := Settle(got, want); !Diff(got, again).Empty() {
			t.Fatalf("settling twice changes something: %s", Diff(got, again))
		}
	})
}

func sorted(r *Ruleset) *Ruleset {
	out := *r
	out.Services = nil
	for _, s := range r.Services {
		c := &Service{Key: s.Key, Slots: slices.Clone(s.Slots)}
		slices.SortFunc(c.Slots, func(a, b addrPort) int { return a.Compare(b) })
		out.Services = append(out.Services, c)
	}
	return &out
}

// A builder that lived through many states says the same as a new one that sees only the last, if it knows the addresses
// that names had; and the same apps in the same state share everything.
func TestBuildingStepByStepGivesTheSameAsAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, err := NewBuilder(testOptions())
		if err != nil {
			t.Fatal(err)
		}
		apps := map[string]*api.AppInfo{}
		var got Result
		var list []*api.AppInfo
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			for range rapid.IntRange(1, 4).Draw(t, "changes") {
				id := fmt.Sprintf("/app%d", rapid.IntRange(0, 5).Draw(t, "app"))
				if apps[id] = anyApp(t, id); rapid.IntRange(0, 3).Draw(t, "gone") == 0 {
					delete(apps, id)
				}
			}
			list = nil
			for _, a := range apps {
				list = append(list, a)
			}
			slices.SortFunc(list, func(a, b *api.AppInfo) int { return compareStrings(a.ID, b.ID) })
			got = b.Build(list, nil)
		}
		opt := testOptions()
		opt.Remembered = b.Assignments()
		fresh, err := NewBuilder(opt)
		if err != nil {
			t.Fatal(err)
		}
		want := fresh.Build(list, nil)
		if !got.Ruleset.Equal(want.Ruleset) {
			t.Fatalf("step by step\n%s\nat once\n%s", got.Ruleset, want.Ruleset)
		}
		if d := cmp.Diff(want.VIPs, got.VIPs, compareAddrs); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(want.Problems, got.Problems); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(got.Ruleset.Picks(), (&Ruleset{Services: got.Ruleset.Services}).Picks()); d != "" {
			t.Fatalf("counts of chains drifted: %s", d)
		}
		if again := b.Build(list, nil); again.Ruleset != got.Ruleset {
			t.Fatal("the same apps gave another ruleset")
		}
	})
}

// Whatever the apps say, every service is a VIP, none is refused space, and every slot is a member that may get traffic.
func TestBuiltRulesetsAreSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []*api.AppInfo
		for i := range rapid.IntRange(0, 6).Draw(t, "apps") {
			list = append(list, anyApp(t, fmt.Sprintf("/app%d", i)))
		}
		b, err := NewBuilder(testOptions())
		if err != nil {
			t.Fatal(err)
		}
		got := b.Build(list, nil)
		for _, s := range got.Ruleset.Services {
			if !got.Ruleset.Owns(s.Key.Addr) {
				t.Fatalf("%s is no VIP", s.Key)
			}
			if s.Key.Addr.String() == "10.0.0.1" {
				t.Fatalf("%s captures an agent's address", s.Key)
			}
			for _, a := range s.Slots {
				if a.Port() == 0 || a.Addr().Is4() != s.Key.Addr.Is4() {
					t.Fatalf("%s goes to %s", s.Key, a)
				}
			}
		}
		if back, err := Apply(nil, Diff(nil, got.Ruleset)); err != nil || !back.Equal(got.Ruleset) {
			t.Fatalf("not what a table can hold: %v", err)
		}
	})
}

// The pieces of a split batch lead to the same, and each is valid by itself. Chains come first and go last, so between the
// pieces there may be chains that nobody uses.
func TestSplittingChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have, want := anyRuleset(t, "have"), anyRuleset(t, "want")
		tab := newTable(have)
		for _, p := range Diff(have, want).Split(rapid.IntRange(1, 20).Draw(t, "max")) {
			if p.Create {
				tab = newTable(&Ruleset{Layout: p.Layout})
			}
			if tab.add(&p.Del, &p.Add, p); tab.err != nil {
				t.Fatalf("%v\n%s", tab.err, p)
			}
		}
		if got, err := tab.ruleset(); err != nil || !got.Equal(want) {
			t.Fatalf("%v: got\n%s\nwant\n%s", err, got, want)
		}
	})
}

// A packet that sees different generations of the two maps, next to each other in time, still finds a slot as long as its
// service has any; and no chain is used in the batch that makes it or deleted in the one that ends its use.
func TestStepsLeaveNoPacketBetweenGenerations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, want := anyRuleset(t, "have"), anyRuleset(t, "want")
		first.Layout = want.Layout
		have := first
		for _, next := range append(Steps(have, Settle(have, want)), Settle(have, want)) {
			got, err := Apply(have, Diff(have, next))
			if err != nil || !got.Equal(next) {
				t.Fatalf("%v", err)
			}
			for _, s := range have.Services {
				later := next.Find(s.Key)
				if later == nil || len(s.Slots) == 0 || len(later.Slots) == 0 {
					continue
				}
				if _, ok := later.slot(len(s.Slots) - 1); !ok {
					t.Fatalf("%s: the last of %d slots is gone at once", s.Key, len(s.Slots))
				}
				if p := later.Pick(); !p.Constant() && have.chains()[p] == 0 {
					t.Fatalf("%s: chain %s is used as soon as it is made", s.Key, p)
				}
				if p := s.Pick(); !p.Constant() && next.chains()[p] == 0 {
					t.Fatalf("%s: chain %s is deleted with its use", s.Key, p)
				}
			}
			have = next
		}
		if !have.Equal(Settle(first, want)) {
			t.Fatal("the steps lead elsewhere")
		}
	})
}
