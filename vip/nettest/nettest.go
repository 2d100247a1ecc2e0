// Package nettest runs tests of the kernel where nothing can leak: in a network namespace of their own, without any route to
// the outside.
//
//	func TestMain(m *testing.M) { os.Exit(nettest.Main(m)) }
//
// runs the tests of a package in such a namespace. Each test starts with nettest.Isolated(t), which checks that.
package nettest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inside tells a process that it is the one in the namespace; its value is the outer namespace.
const inside = "BERTH_NETTEST_OUTER"

// Main runs the tests in a new network namespace: as root directly, otherwise in a user namespace as well. Where the kernel
// forbids both, tests that call Isolated are skipped, or fail when CI is set.
func Main(m *testing.M) int {
	if os.Getenv(inside) != "" {
		if err := private(); err != nil {
			fmt.Fprintln(os.Stderr, "nettest:", err)
			return 1
		}
		return m.Run()
	}
	outer, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		fmt.Fprintln(os.Stderr, "SKIPPED in part: tests of the kernel need Linux:", err)
		return m.Run()
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"="+outer)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "SKIPPED in part: tests of the kernel need root or user namespaces:", err)
		return m.Run()
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &exit) {
		if code := exit.ExitCode(); code > 0 {
			return code
		}
		return 1
	} else if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// private gives the process a /run of its own, so that locks and names stay inside, and brings lo up.
func private() error {
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("private /run: %w", err)
	}
	return up("lo")
}

// Isolated skips the test, or fails it when CI is set, unless it runs in a namespace of its own from which no packet gets
// out: it has no interface but lo and those the test made, and a documentation address is unreachable.
func Isolated(t testing.TB) {
	t.Helper()
	outer, now := os.Getenv(inside), ""
	if outer != "" {
		now, _ = os.Readlink("/proc/self/ns/net")
	}
	if outer == "" || now == "" || now == outer {
		if os.Getenv("CI") != "" {
			t.Fatal("no network namespace of its own: root or user namespaces are needed")
		}
		t.Skip("SKIPPED: no network namespace of its own: root or user namespaces are needed")
	}
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if l.Name != "lo" && !strings.HasPrefix(l.Name, "t-") && !strings.HasPrefix(l.Name, "berth-") {
			t.Fatalf("interface %s: expected only lo and those of the test", l.Name)
		}
	}
	if conn, err := net.Dial("udp", "192.0.2.1:9"); err == nil {
		conn.Close()
		t.Fatal("192.0.2.1 has a route; expected none out of the test's namespace")
	}
}
