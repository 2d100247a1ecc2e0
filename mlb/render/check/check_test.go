package check

import (
	"strings"
	"testing"

	"berth/mlb/model"
	"berth/mlb/render"
)

func fragment(frontend, backend string, servers ...string) *render.Fragment {
	f := &render.Fragment{Service: &model.Service{Name: "a_1", Port: 1}, Frontend: frontend, Backend: backend}
	for _, s := range servers {
		f.Servers = append(f.Servers, render.ServerLine{Line: s})
	}
	return f
}

func TestFragment(t *testing.T) {
	const front, back = "frontend a_1\n  bind *:1\n  mode http\n", "backend a_1\n  mode http\n"
	cases := []struct {
		rule string
		f    *render.Fragment
		want string // part of the error; "" for none
	}{
		{"a service", fragment(front, back, "  server x 1.2.3.4:5 check\n"), ""},
		{"a service without port", fragment("", back), ""},
		{"a section of another name", fragment(front, back+"backend b_2\n  mode tcp\n"), "backend b_2"},
		{"a section of another type", fragment(front, back+"listen evil\n  bind :2\n"), "listen evil"},
		{"in the servers", fragment(front, back, "  server x 1.2.3.4:5\n", "resolvers evil\n"), "resolvers evil"},
		{"a second port", fragment(front+"  bind *:2\n", back), "expected one bind line"},
		{"another port", fragment("frontend a_1\n  bind *:2\n", back), "expected one bind line"},
		{"no port", fragment("frontend a_1\n  mode http\n", back), "bind"},
		{"no backend", fragment(front, "  mode http\n"), "backend"},
		{"a line longer than the parser reads", fragment(front, back+"  x "+strings.Repeat("y", 70_000)+"\n"), "bytes in a line"},
	}
	for _, c := range cases {
		err := Fragment(c.f)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.rule, err, c.want)
		}
	}
}

// FuzzFragment: whatever the text, the parser must not take the program down.
func FuzzFragment(f *testing.F) {
	f.Add("  bind\n", "  server\n")
	f.Add("  http-request\n  acl\n", "  balance\n  cookie\n  option httpchk\n")
	f.Add("  tcp-request content\n", "  timeout\n  stick-table\n  http-check\n")
	f.Fuzz(func(t *testing.T, front, back string) {
		_ = Fragment(fragment("frontend a_1\n  bind *:1\n"+front, "backend a_1\n"+back))
	})
}

func BenchmarkFragment(b *testing.B) {
	f := fragment("frontend a_1\n  bind *:1\n  mode http\n", "backend a_1\n  mode http\n", "  server x 1.2.3.4:5 check\n")
	b.ReportAllocs()
	for b.Loop() {
		if err := Fragment(f); err != nil {
			b.Fatal(err)
		}
	}
}
