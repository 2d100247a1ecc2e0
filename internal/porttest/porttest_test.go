package porttest

import (
	"net"
	"strconv"
	"testing"
)

func TestNoPortIsGivenTwice(t *testing.T) {
	seen := map[int]bool{}
	for _, p := range append(Several(t, 200), Free(t)) {
		if seen[p] || p < lowest || p > highest {
			t.Fatalf("port %d: given before, or outside %d to %d", p, lowest, highest)
		}
		seen[p] = true
	}
}

func TestHeldAndUsedPortsAreRefused(t *testing.T) {
	p := Free(t)
	if _, ok := claim(p, 1); ok {
		t.Errorf("port %d was claimed twice", p)
	}
	t.Run("used", func(t *testing.T) {
		for _, network := range []string{"tcp", "udp"} {
			var close func() error
			if network == "tcp" {
				l, err := net.Listen(network, "127.0.0.1:"+strconv.Itoa(p))
				if err != nil {
					t.Fatal(err)
				}
				close = l.Close
			} else {
				l, err := net.ListenPacket(network, "127.0.0.1:"+strconv.Itoa(p))
				if err != nil {
					t.Fatal(err)
				}
				close = l.Close
			}
			if unused(p) {
				t.Errorf("%s port %d counts as unused", network, p)
			}
			_ = close()
		}
	})
}

func TestPortsOfATestAreFreedAtItsEnd(t *testing.T) {
	var first int
	t.Run("holder", func(t *testing.T) { first = Range(t, 10) })
	release, ok := claim(first, 10)
	if !ok {
		t.Fatalf("ports from %d on are still held", first)
	}
	release()
}
