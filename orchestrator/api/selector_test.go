package api

import (
	"strings"
	"testing"
)

func TestSelectors(t *testing.T) {
	labels := map[string]string{"env": "prod", "tier": "web", "empty": "", "a,b": "c d", "in": "x"}
	for selector, want := range map[string]bool{
		"env":                    true,
		"missing":                false,
		"env==prod":              true,
		"env=prod":               true,
		" env  ==  prod ":        true,
		"env==test":              false,
		"env!=test":              true,
		"env!=prod":              false,
		"missing!=test":          false,
		"env in (prod,test)":     true,
		"env in ( test , prod )": true,
		"env in(prod)":           true,
		"env in (test)":          false,
		"missing in (prod)":      false,
		"env notin (test,dev)":   true,
		"env notin (prod)":       false,
		"missing notin (prod)":   false,
		"env==prod,tier==web":    true,
		"env==prod, tier!=web":   false,
		"env in (prod), tier":    true,
		"empty":                  true,
		"empty!=x":               true,
		`a\,b==c\ d`:             true,
		`\e\n\v==prod`:           true,
		"in":                     true,
		"in==x":                  true,
		"in in (x)":              true,
		"in,env":                 true,
		"env=in":                 false,
		"tier\t==\tweb":          true,
	} {
		s, err := ParseSelector(selector)
		if err != nil {
			t.Errorf("%q: %v", selector, err)
			continue
		}
		if s.Matches(labels) != want {
			t.Errorf("%q: expected %v", selector, want)
		}
	}
	if !(Selector{}).Matches(nil) {
		t.Error("the zero Selector matches everything")
	}
}

func TestUnreadableSelectors(t *testing.T) {
	for _, s := range []string{
		"", " ", ",", "a,", ",a", "a,,b", "==b", "a==", "a!=", "a=!b", "a b", "a in", "a in b", "a in (", "a in ()", "a in (b",
		"a in (b,)", "a in (b) c", "a notin", "a (b)", "!a", "a=b=c", "a==b==c", `a\`, "a)", strings.Repeat("a", 9000),
	} {
		_, err := ParseSelector(s)
		if CodeOf(err) != CodeInvalid || err.(*Error).Details != nil || !strings.Contains(err.Error(), "label selector") {
			t.Errorf("%.30q: %v", s, err)
		}
	}
}

func FuzzParseSelector(f *testing.F) {
	for _, s := range []string{"a", "a==b", "a in (b,c)", `a\,!=b`, "a notin (b), c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sel, err := ParseSelector(s)
		if err != nil && CodeOf(err) != CodeInvalid {
			t.Fatal(err)
		}
		if err == nil && sel.Matches(nil) {
			t.Fatalf("%q matches an app without labels", s)
		}
	})
}
