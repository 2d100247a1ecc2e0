package program

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Main is the whole test task: a program; under the name sh a shell that knows just enough for the suite, so that an
// image made of nothing else has a /bin/sh; or the stray that a program starts.
func Main(argv []string, stdout, stderr io.Writer) int {
	args := argv[1:]
	if filepath.Base(argv[0]) == "sh" && len(args) == 2 && args[0] == "-c" {
		return shell(strings.Fields(args[1]), stdout, stderr)
	}
	if len(args) == 1 && args[0] == "stray" {
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
		time.Sleep(time.Minute) // a bound, should a test fail to end it
		return 0
	}
	p, err := Parse(args)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	return p.run(stdout, stderr)
}

// shell runs "exit N", "echo WORDS", "cat" and "env"; anything else is a program's path
// and arguments.
func shell(words []string, stdout, stderr io.Writer) int {
	switch {
	case len(words) == 2 && words[0] == "exit":
		code, err := strconv.Atoi(words[1])
		if err != nil {
			return 2
		}
		return code
	case len(words) > 0 && words[0] == "echo":
		fmt.Fprintln(stdout, strings.Join(words[1:], " "))
		return 0
	case len(words) == 1 && words[0] == "cat":
		if _, err := io.Copy(stdout, os.Stdin); err != nil {
			return 1
		}
		return 0
	case len(words) == 1 && words[0] == "env":
		fmt.Fprintln(stdout, strings.Join(os.Environ(), "\n"))
		return 0
	case len(words) > 0:
		err := syscall.Exec(words[0], words, os.Environ())
		fmt.Fprintf(stderr, "%s: %v\n", words[0], err)
	}
	return 127
}

func (p Program) run(stdout, stderr io.Writer) int {
	term := make(chan os.Signal, 1)
	if p.IgnoreTerm {
		signal.Ignore(syscall.SIGTERM)
	} else if p.Drain > 0 {
		signal.Notify(term, syscall.SIGTERM)
	}
	if err := p.speak(stdout, stderr); err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	allocate(p.Alloc)
	switch {
	case p.Run && p.Drain > 0:
		<-term
		fmt.Fprintln(stdout, "draining")
		time.Sleep(p.Drain)
		fmt.Fprintln(stdout, "drained")
		return 0
	case p.Run:
		time.Sleep(5 * time.Minute) // a bound, should a test fail to end it
	case p.Crash:
		crash()
	}
	return p.Exit
}

// crash ends the process by a signal that the first process of a container cannot ignore either: it does not get its own
// SIGKILL, but a fault of its own kills it.
func crash() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	time.Sleep(100 * time.Millisecond)
	os.Exit(128 + int(syscall.SIGKILL))
}

func (p Program) speak(stdout, stderr io.Writer) error {
	if p.Stdout != "" {
		fmt.Fprintln(stdout, p.Stdout)
	}
	if p.Stderr != "" {
		fmt.Fprintln(stderr, p.Stderr)
	}
	if p.Stray {
		pid, err := stray(p.Bare)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "stray %d\n", pid)
	}
	for i := range p.Lines {
		fmt.Fprintf(stdout, "line %d\n", i+1)
	}
	for i := range p.Ticks {
		time.Sleep(p.TickEvery)
		fmt.Fprintf(stdout, "tick %d\n", i+1)
	}
	return nil
}

// allocate touches every page, so that the memory is really there.
func allocate(mib int) {
	var all [][]byte
	for range mib {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
	}
	runtime.KeepAlive(all)
}

func stray(bare bool) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self, "stray")
	if bare {
		cmd.Env = []string{}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	pid := cmd.Process.Pid // Release forgets it
	return pid, cmd.Process.Release()
}
