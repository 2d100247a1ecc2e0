package haproxy

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkStructure checks 10,000 services: all of them new, and one changed.
func BenchmarkStructure(b *testing.B) {
	config := func(odd string) []byte {
		var t strings.Builder
		t.WriteString("global\n  maxconn 10\ndefaults\n  mode http\n")
		for i := range 10000 {
			fmt.Fprintf(&t, "frontend app_%d\n  bind *:%d\n  mode http\n  use_backend app_%d\n\n", i, i+1, i)
		}
		for i := range 10000 {
			fmt.Fprintf(&t, "backend app_%d\n  balance roundrobin\n  mode http\n", i)
			for s := range 4 {
				fmt.Fprintf(&t, "  server 10_0_0_%d_%d 10.0.0.%d:%d id %d\n", s, i, s, i+1, s+1)
			}
		}
		return append([]byte(t.String()), odd...)
	}
	b.Run("all", func(b *testing.B) {
		c := config("")
		for b.Loop() {
			var s Structure
			if _, err := s.Check(c, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("one", func(b *testing.B) {
		var s Structure
		two := [][]byte{config("  server x 1.2.3.4:5\n"), config("  server x 1.2.3.4:6\n")}
		for i := 0; b.Loop(); i++ {
			if _, err := s.Check(two[i%2], nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
