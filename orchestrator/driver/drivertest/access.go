package drivertest

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest/program"
)

func logsTail(s *suite) {
	id := s.start("a", program.Program{Lines: 100, Stderr: "to stderr", Run: true})
	s.awaitLine(id, "line 100")
	s.awaitOutput(id, driver.Stderr, "to stderr")
	for _, c := range []struct {
		opt  driver.LogOptions
		want string
	}{
		{driver.LogOptions{Stream: driver.Stdout, Lines: 2}, "line 99\nline 100\n"},
		{driver.LogOptions{Stream: driver.Stdout, Lines: 0}, ""},
		{driver.LogOptions{Stream: driver.Stderr, Lines: 10}, "to stderr\n"},
	} {
		if got := s.logs(id, c.opt); got != c.want {
			s.Errorf("logs with %+v: %q, want %q", c.opt, got, c.want)
		}
	}
	for _, n := range []int{-1, 1000} {
		got := s.logs(id, driver.LogOptions{Stream: driver.Stdout, Lines: n})
		if strings.Count(got, "\n") != 100 || !strings.HasPrefix(got, "line 1\n") {
			s.Errorf("logs with %d lines: %d lines, %.20q…", n, strings.Count(got, "\n"), got)
		}
	}
}

func logsFollow(s *suite) {
	id := s.start("a", program.Program{Stdout: "up", Ticks: 5, TickEvery: 50 * time.Millisecond})
	s.awaitLine(id, "up")
	got := s.logs(id, driver.LogOptions{Stream: driver.Stdout, Lines: -1, Follow: true})
	if want := "up\ntick 1\ntick 2\ntick 3\ntick 4\ntick 5\n"; got != want {
		s.Errorf("followed %q, want %q", got, want)
	}
}

func logsAfterEnd(s *suite) {
	id := s.start("a", program.Program{Stdout: "last words", Stderr: "and more", Exit: 1})
	s.final(id)
	for range 2 {
		for stream, want := range map[driver.Stream]string{driver.Stdout: "last words\n", driver.Stderr: "and more\n"} {
			if got := s.logs(id, driver.LogOptions{Stream: stream, Lines: 5, Follow: true}); got != want {
				s.Errorf("%s: %q, want %q", stream, got, want)
			}
		}
		s.reopen()
	}
}

func logsClose(s *suite) {
	id := s.start("a", running)
	r, err := s.d.Logs(s.ctx(), id, driver.LogOptions{Stream: driver.Stdout, Follow: true})
	if err != nil {
		s.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, r)
		ended <- err
	}()
	r.Close()
	select {
	case <-ended:
	case <-time.After(Patience):
		s.Error("the reader still waits")
	}
}

func execute(s *suite) {
	id := s.start("a", running)
	for _, c := range []struct {
		command string
		code    int
		output  string
	}{
		{"echo hello world", 0, "hello world\n"},
		{"exit 3", 3, ""},
		{"exit 0", 0, ""},
	} {
		res, err := s.d.Exec(s.ctx(), id, c.command)
		if err != nil || res.ExitCode != c.code || string(res.Output) != c.output {
			s.Errorf("exec %q: code %d, output %q, error %v; want %d, %q", c.command, res.ExitCode, res.Output, err, c.code, c.output)
		}
	}
	s.stop(id, time.Second)
	if _, err := s.d.Exec(s.ctx(), id, "exit 0"); err == nil {
		s.Error("exec in an ended task succeeded")
	}
}

func remove(s *suite) {
	id := s.start("a", running)
	if err := s.d.Remove(s.ctx(), id); err == nil {
		s.Error("a living task was removed")
	}
	s.stop(id, time.Second)
	if err := s.d.Remove(s.ctx(), id); err != nil {
		s.Fatal(err)
	}
	if st, ok := s.listed(id); ok {
		s.Errorf("still listed: %+v", st)
	}
	s.reopen()
	if st, ok := s.listed(id); ok {
		s.Errorf("listed again by a new instance: %+v", st)
	}
	if _, err := s.d.Logs(s.ctx(), id, driver.LogOptions{Stream: driver.Stdout}); !errors.Is(err, driver.ErrNotFound) {
		s.Errorf("logs of a removed task: %v", err)
	}
}

func unknown(s *suite) {
	const id = "no-such.task"
	_, logs := s.d.Logs(s.ctx(), id, driver.LogOptions{Stream: driver.Stdout})
	_, exec := s.d.Exec(s.ctx(), id, "exit 0")
	for what, err := range map[string]error{
		"stop": s.d.Stop(s.ctx(), id, time.Second), "remove": s.d.Remove(s.ctx(), id), "logs": logs, "exec": exec,
	} {
		if !errors.Is(err, driver.ErrNotFound) {
			s.Errorf("%s: %v, want ErrNotFound", what, err)
		}
	}
}

func watchEnds(s *suite) {
	ctx, cancel := context.WithCancel(context.Background())
	c, err := s.d.Watch(ctx)
	if err != nil {
		s.Fatal(err)
	}
	cancel()
	timeout := time.After(Patience)
	for {
		select {
		case _, open := <-c:
			if !open {
				return
			}
		case <-timeout:
			s.Fatal("the channel is still open")
		}
	}
}
