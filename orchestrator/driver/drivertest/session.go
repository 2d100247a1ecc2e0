package drivertest

import (
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest/program"
)

// openSession runs a command by the task's shell.
func (s *suite) openSession(id, command string, opt driver.SessionOptions) driver.Session {
	s.Helper()
	d, ok := s.d.(driver.Interactive)
	if !ok {
		s.Fatal("the driver runs no commands with open streams")
	}
	opt.Command = []string{"/bin/sh", "-c", command}
	session, err := d.Open(s.ctx(), id, opt)
	if err != nil {
		s.Fatalf("open %q: %v", command, err)
	}
	s.Cleanup(func() { _ = session.Close() })
	return session
}

// ends reads both outputs to their ends and returns them with the exit code.
func (s *suite) ends(session driver.Session) (stdout, stderr string, code int) {
	s.Helper()
	var wg sync.WaitGroup
	read := func(r io.Reader, into *string) {
		wg.Go(func() {
			data, err := io.ReadAll(r)
			if err != nil {
				s.Errorf("read: %v", err)
			}
			*into = string(data)
		})
	}
	read(session.Stdout(), &stdout)
	read(session.Stderr(), &stderr)
	wg.Wait()
	code, err := session.Wait(s.ctx())
	if err != nil {
		s.Errorf("wait: %v", err)
	}
	return stdout, stderr, code
}

func sessions(s *suite) {
	id := s.start("a", running)
	for _, c := range []struct {
		command string
		tty     bool
		stdout  string
		code    int
	}{
		{"echo hello world", false, "hello world\n", 0},
		{"echo hello world", true, "hello world\r\n", 0},
		{"exit 3", false, "", 3},
		{"exit 3", true, "", 3},
	} {
		stdout, stderr, code := s.ends(s.openSession(id, c.command, driver.SessionOptions{TTY: c.tty}))
		if stdout != c.stdout || stderr != "" || code != c.code {
			s.Errorf("%q, terminal %t: %q, %q, code %d; want %q, code %d", c.command, c.tty, stdout, stderr, code, c.stdout, c.code)
		}
	}
}

func sessionStdin(s *suite) {
	id := s.start("a", running)
	session := s.openSession(id, "cat", driver.SessionOptions{Stdin: true})
	text := strings.Repeat("some text\n", 20_000) // more than any buffer on the way
	go func() {
		if _, err := io.WriteString(session, text); err != nil {
			s.Errorf("write: %v", err)
		}
		if err := session.CloseWrite(); err != nil {
			s.Errorf("end of stdin: %v", err)
		}
	}()
	if stdout, _, code := s.ends(session); stdout != text || code != 0 {
		s.Errorf("%d bytes of %d came back, code %d", len(stdout), len(text), code)
	}
}

func sessionClose(s *suite) {
	id := s.start("a", running)
	session := s.openSession(id, "cat", driver.SessionOptions{Stdin: true})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, session.Stdout())
	}()
	if err := session.Close(); err != nil {
		s.Errorf("close: %v", err)
	}
	select {
	case <-ended:
	case <-time.After(Patience):
		s.Error("its reader still waits")
	}
}

func sessionRefused(s *suite) {
	d, ok := s.d.(driver.Interactive)
	if !ok {
		s.Fatal("the driver runs no commands with open streams")
	}
	opt := driver.SessionOptions{Command: []string{"/bin/sh", "-c", "exit 0"}}
	if _, err := d.Open(s.ctx(), "nobody.1", opt); !errors.Is(err, driver.ErrNotFound) {
		s.Errorf("an unknown task: %v", err)
	}
	id := s.start("a", program.Program{})
	s.final(id)
	if _, err := d.Open(s.ctx(), id, opt); err == nil {
		s.Error("a command ran in an ended task")
	}
}
