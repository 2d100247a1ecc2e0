// Package porttest gives tests TCP and UDP ports that stay theirs. A port that listening on ":0" showed to be free is the
// next one the kernel hands to somebody else's outgoing connection; these lie below the kernel's range for those, and test
// processes that run side by side do not get the same one.
package porttest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// The ports given out. Below are the service ports that examples ask for by number; above are an agent's dynamic ports
// (31000 to 32000) and the kernel's own (32768 and up, net.ipv4.ip_local_port_range).
const (
	lowest  = 13000
	highest = 30999
)

// Free returns a port that nobody listens on, on any address. It belongs to the test until it ends.
func Free(t testing.TB) int {
	t.Helper()
	return Range(t, 1)
}

// Several returns n ports like that of Free, in no order.
func Several(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		ports[i] = Free(t)
	}
	return ports
}

// Range returns the first of n ports in a row like that of Free.
func Range(t testing.TB, n int) int {
	t.Helper()
	const tries = 1000
	for range tries {
		first := lowest + rand.IntN(highest+1-lowest-n)
		if release, ok := claim(first, n); ok {
			t.Cleanup(release)
			return first
		}
	}
	t.Fatalf("no %d free ports in a row between %d and %d", n, lowest, highest)
	return 0
}

// claim holds n ports from first on, by listening on abstract sockets of their names: such a name is one process's, and
// the kernel frees it when the process ends, however it ends (unix(7)).
func claim(first, n int) (release func(), ok bool) {
	var names []net.Listener
	release = func() {
		for _, l := range names {
			_ = l.Close()
		}
	}
	for p := first; p < first+n; p++ {
		name, err := net.Listen("unix", "@berth-test-port-"+strconv.Itoa(p))
		if err != nil {
			release()
			return nil, false
		}
		names = append(names, name)
		if !unused(p) {
			release()
			return nil, false
		}
	}
	return release, true
}

func unused(port int) bool {
	address := ":" + strconv.Itoa(port)
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	_ = tcp.Close()
	udp, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	_ = udp.Close()
	return true
}
