package haproxy

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const shape = `global
  maxconn 10
defaults
  mode http
listen stats
  bind 127.0.0.1:9090
userlist user_a_1
  user x password y
frontend a_1
  bind *:1
  bind 127.0.0.1:2,127.0.0.1:3 ssl crt /x
  use_backend a_1
backend a_1
  server s 127.0.0.1:80
`

func shapeSections() *Sections {
	return &Sections{Frontends: []string{"a_1"}, Backends: []string{"a_1"}, Other: []string{"listen stats", "listen more"},
		Userlists: []string{"user_a_1"}}
}

func TestStructureOfAGoodConfigurationGivesItsAddresses(t *testing.T) {
	binds, err := checkStructure([]byte(shape), shapeSections())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"*:1", "127.0.0.1:2,127.0.0.1:3", "127.0.0.1:9090"}, binds); d != "" {
		t.Error(d)
	}
}

func TestStructureRefuses(t *testing.T) {
	for name, c := range map[string]struct{ config, section, word string }{
		"a section nobody asked for": {shape + "backend smuggled\n  server s 127.0.0.1:1\n", "smuggled", "nobody asked"},
		"a section indented":         {shape + "  frontend smuggled\n  bind :1\n", "smuggled", "nobody asked"},
		"a userlist of nobody":       {shape + "userlist other\n", "other", "nobody asked"},
		"the same section twice":     {shape + "backend a_1\n", "a_1", "twice"},
		"listen beside a frontend":   {shape + "listen a_1\n", "a_1", "twice"},
		"a section missing":          {strings.Replace(shape, "backend a_1\n", "", 1), "a_1", "missing"},
		"a name that is none":        {shape + "backend a$1\n", "a$1", "expected letters"},
		"an endless line":            {strings.Replace(shape, "mode http\nl", "mode http\nlisten more\n  # "+strings.Repeat("x", maxConfigLine)+"\nl", 1), "more", "bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := checkStructure([]byte(c.config), shapeSections())
			var refused *CheckError
			if !errors.As(err, &refused) {
				t.Fatalf("got %v, want a refusal", err)
			}
			if r := refused.Reasons[0]; r.Section != c.section || !strings.Contains(r.Message, c.word) {
				t.Errorf("got %+v, want section %s and %q", r, c.section, c.word)
			}
		})
	}
}

func TestAnySectionIsWelcomeWhenNothingIsKnown(t *testing.T) {
	if _, err := checkStructure([]byte(shape+"cache c\n  total-max-size 4\n"), nil); err != nil {
		t.Error(err)
	}
}

func TestSocketPathsHaveAWayOutWhenTooLong(t *testing.T) {
	long := "/" + strings.Repeat("d", 80) + "/haproxy.cfg"
	p, err := NewPaths(long, "")
	if err != nil || len(p.Master) > maxSocketPath {
		t.Errorf("%q, %v: want a short path elsewhere", p.Master, err)
	}
	if again, _ := NewPaths(long, ""); again != p {
		t.Error("the next mlb would look elsewhere")
	}
	if _, err := NewPaths("/etc/haproxy.cfg", "/"+strings.Repeat("r", 100)); err == nil || !strings.Contains(err.Error(), "--run-dir") {
		t.Errorf("got %v, want an error naming the flag", err)
	}
}
