package haproxy

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkStructure checks the shape of 10,000 services with 4 servers each.
func BenchmarkStructure(b *testing.B) {
	var t strings.Builder
	var names []string
	t.WriteString("global\n  maxconn 10\ndefaults\n  mode http\nlisten stats\n  bind *:9090\n")
	for i := range 10000 {
		names = append(names, fmt.Sprintf("app_%d", i))
		fmt.Fprintf(&t, "frontend app_%d\n  bind *:%d\n  mode http\n  use_backend app_%d\n\n", i, i+1, i)
	}
	for i := range 10000 {
		fmt.Fprintf(&t, "backend app_%d\n  balance roundrobin\n  mode http\n", i)
		for s := range 4 {
			fmt.Fprintf(&t, "  server 10_0_0_%d_%d 10.0.0.%d:%d id %d\n", s, i, s, i+1, s+1)
		}
	}
	config := []byte(t.String())
	want := &Sections{Frontends: names, Backends: names, Other: []string{"listen stats"}}
	for b.Loop() {
		if _, err := checkStructure(config, want); err != nil {
			b.Fatal(err)
		}
	}
}
