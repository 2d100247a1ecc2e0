package reconcile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParsePorts(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"80", "80"},
		{"1-21,23-32000", "1-21,23-32000"},
		{" 5 - 7 , 1 ,", "1,5-7"},
		{"1-5,3-9,10", "1-10"},
		{"65535", "65535"},
		{"0", `!port "0"`},
		{"65536", `!port "65536"`},
		{"7-5", "!smaller number first"},
		{"a-b", `!port "a"`},
		{"1-2-3", `!port "2-3"`},
	}
	for _, tt := range tests {
		p, err := ParsePorts(tt.in)
		if part, bad := strings.CutPrefix(tt.want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%q: error %v, want %q", tt.in, err, part)
			}
			continue
		}
		if err != nil || p.String() != tt.want {
			t.Errorf("%q: %s, %v; want %s", tt.in, p, err, tt.want)
		}
	}
}

func FuzzParsePorts(f *testing.F) {
	for _, s := range []string{"1-21,23-32000", "80", "5-1", "1,2,3-", "65535-65536"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePorts(s)
		if err != nil {
			return
		}
		again, err := ParsePorts(p.String())
		if err != nil || cmp.Diff(p, again) != "" && p.Len() > 0 {
			t.Errorf("%q reads as %s, which reads as %s, %v", s, p, again, err)
		}
	})
}

func TestPortsAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Ports
		for range rapid.IntRange(0, 5).Draw(t, "ranges") {
			low := rapid.IntRange(1, 60).Draw(t, "low")
			p = append(p, Range{low, low + rapid.IntRange(0, 10).Draw(t, "size")})
		}
		p = p.merged()
		without := p.Without(rapid.IntRange(1, 70).Draw(t, "gone"), 30)
		n := 0
		for port := range 100 {
			if p.Contains(port) {
				if got := p.At(n); got != port {
					t.Fatalf("%s: number %d is %d, want %d", p, n, got, port)
				}
				n++
			}
			if without.Contains(port) && (!p.Contains(port) || port == 30) {
				t.Fatalf("%s without 30: %s", p, without)
			}
		}
		if n != p.Len() {
			t.Fatalf("%s: length %d, want %d", p, p.Len(), n)
		}
	})
}
