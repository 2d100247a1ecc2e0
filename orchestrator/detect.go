package orchestrator

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"berth/orchestrator/driver/hostport"
)

const mib = 1 << 20

// memReserve is the memory in MiB that an agent keeps for itself.
const memReserve = 1024

// detectMem returns the machine's memory in MiB less a reserve: 1 GiB, or half of a machine with less than 2 GiB
// (marathon-api.md section 12.1). Where it cannot be read, 1 GiB is assumed.
func detectMem() float64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 1024
	}
	for line := range strings.Lines(string(data)) {
		rest, ok := strings.CutPrefix(line, "MemTotal:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
		if err == nil {
			return float64(int(lessReserve(kib/1024, memReserve)))
		}
	}
	return 1024
}

// detectDisk returns the free space in MiB of the file system that holds dir, less 5 GiB or half of it.
func detectDisk(dir string) float64 {
	for {
		var fs syscall.Statfs_t
		err := syscall.Statfs(dir, &fs)
		if err == nil {
			return float64(int(lessReserve(float64(fs.Bavail)*float64(fs.Bsize)/mib, 5*1024)))
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, os.ErrNotExist) || parent == dir {
			return 0
		}
		dir = parent
	}
}

func lessReserve(total, reserve float64) float64 { return max(total-reserve, total/2) }

// portProber returns the default Options.ProbePort: it binds a port of this machine for a moment. Docker publishes on all
// addresses, so a listener on any of them counts. A port this process may not bind is taken for free, and so is every
// port of another machine.
func portProber(agents []Agent) func(Agent, int, string) error {
	local := map[string]bool{}
	for _, a := range agents {
		local[a.IP] = hostport.Here(a.IP)
	}
	return func(agent Agent, port int, protocol string) error {
		if !local[agent.IP] {
			return nil
		}
		for p := range strings.SplitSeq(protocol, ",") {
			if errors.Is(bind(strings.TrimSpace(p), port), syscall.EADDRINUSE) {
				return fmt.Errorf("port %d is in use on %s by something outside this cluster", port, agent.Host)
			}
		}
		return nil
	}
}

func bind(protocol string, port int) error {
	addr := ":" + strconv.Itoa(port)
	if protocol == "udp" {
		c, err := net.ListenPacket("udp", addr)
		if err != nil {
			return err
		}
		return c.Close()
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return l.Close()
}
