package dev

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"berth/internal/porttest"
)

// taken binds a port on loopback for the duration of the test.
func taken(t *testing.T) int {
	t.Helper()
	port := porttest.Free(t)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return port
}

func testPort(number, root, user int, byUser bool) *port {
	return &port{name: "http", flag: "http-port", what: "http", number: number, root: root, user: user, byUser: byUser,
		address: "127.0.0.1"}
}

func TestAskedForPortThatIsTakenNamesTheFlag(t *testing.T) {
	_, err := choose([]*port{testPort(taken(t), 80, 8000, true)}, false, nil)
	if err == nil || !strings.Contains(err.Error(), "--http-port") {
		t.Fatalf("error %v, want one that names --http-port", err)
	}
}

func TestTakenDefaultIsReplacedAndSaid(t *testing.T) {
	first := taken(t)
	p := testPort(0, 80, first, false)
	said, err := choose([]*port{p}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.number == first || p.number == 0 {
		t.Errorf("port %d, want another than %d", p.number, first)
	}
	if len(said) != 1 || !strings.Contains(said[0], "--http-port") {
		t.Errorf("said %q, want one sentence naming --http-port", said)
	}
}

func TestUnprivilegedPortIsSaid(t *testing.T) {
	first := porttest.Free(t)
	p := testPort(0, 80, first, false)
	said, err := choose([]*port{p}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.number != first || len(said) != 1 || !strings.Contains(said[0], "needs root") {
		t.Errorf("port %d, said %q; want %d and that 80 needs root", p.number, said, first)
	}
}

func TestUsualPortIsNotWorthAWord(t *testing.T) {
	usual := porttest.Free(t)
	p := testPort(0, usual, 8000, false)
	said, err := choose([]*port{p}, true, nil)
	if err != nil || len(said) != 0 || p.number != usual {
		t.Errorf("port %d, said %q, error %v; want %d and nothing said", p.number, said, err, usual)
	}
}

func TestPortOfAKilledRunIsKeptThoughItsHAProxyHoldsIt(t *testing.T) {
	held := taken(t)
	p := testPort(0, 80, 8000, false)
	if _, err := choose([]*port{p}, false, map[string]int{"http": held}); err != nil {
		t.Fatal(err)
	}
	if p.number != held {
		t.Errorf("port %d, want %d", p.number, held)
	}
}

func TestTwoPortsNeverShareANumber(t *testing.T) {
	first := porttest.Free(t)
	a, b := testPort(0, 80, first, false), testPort(0, 443, first, false)
	b.name = "https"
	if _, err := choose([]*port{a, b}, false, nil); err != nil {
		t.Fatal(err)
	}
	if a.number == b.number {
		t.Errorf("both on %d", a.number)
	}
	same := porttest.Free(t)
	_, err := choose([]*port{testPort(same, 80, 8000, true), testPort(same, 443, 8443, true)}, false, nil)
	if err == nil {
		t.Error("the same number twice was accepted")
	}
}
