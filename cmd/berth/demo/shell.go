package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

const (
	// settle is how long a command may go on answering wrongly: routes follow tasks, they do not precede them.
	settle = 15 * time.Second
	again  = 100 * time.Millisecond
	// maxAnswer is how much of an answer is kept and shown.
	maxAnswer = 64 << 10
)

// shell runs commands, prints them with their answers, and checks these.
type shell struct {
	out io.Writer
	env []string
}

// check says what is wrong with an answer, or nil.
type check func(answer string) error

// run prints command and its answer, and checks it.
func (s *shell) run(ctx context.Context, command string, ok check) error {
	fmt.Fprintf(s.out, "  $ %s\n", command)
	answer, err := s.ask(ctx, command, ok)
	s.print(answer)
	return err
}

// poll is run for a question that changes nothing: a wrong answer is asked for again until it is right or settle has
// passed. The last one is printed.
func (s *shell) poll(ctx context.Context, command string, ok check) error {
	fmt.Fprintf(s.out, "  $ %s\n", command)
	deadline := time.Now().Add(settle)
	for {
		answer, err := s.ask(ctx, command, ok)
		if err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			s.print(answer)
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

func (s *shell) ask(ctx context.Context, command string, ok check) (string, error) {
	answer, err := s.output(ctx, command)
	if err == nil {
		err = ok(answer)
	}
	if err != nil {
		return answer, fmt.Errorf("%s: %w", command, err)
	}
	return answer, nil
}

// output runs command by sh and returns stdout and stderr. A command that prints what was expected may fail: its exit
// code is part of the answer.
func (s *shell) output(ctx context.Context, command string) (string, error) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Env = s.env
	cmd.WaitDelay = time.Second
	var buf bytes.Buffer
	limited := &limitedWriter{w: &buf, left: maxAnswer}
	cmd.Stdout, cmd.Stderr = limited, limited
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return buf.String() + fmt.Sprintf("(exit code %d)\n", exit.ExitCode()), nil
	}
	return buf.String(), err
}

func (s *shell) print(answer string) {
	for _, line := range strings.Split(strings.TrimRight(answer, "\n"), "\n") {
		fmt.Fprintf(s.out, "    %s\n", line)
	}
}

// limitedWriter drops what is too much.
type limitedWriter struct {
	w    io.Writer
	left int
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	if _, err := l.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// contains wants every text in the answer, and success.
func contains(texts ...string) check {
	return func(answer string) error {
		for _, t := range texts {
			if !strings.Contains(answer, t) {
				return fmt.Errorf("the answer does not hold %q", t)
			}
		}
		return succeeds(answer)
	}
}

// succeeds wants exit code 0.
func succeeds(answer string) error {
	if strings.Contains(answer, "(exit code ") {
		return errors.New("the command failed")
	}
	return nil
}

// refused wants curl to find nobody listening (its exit code 7).
func refused(answer string) error {
	if !strings.Contains(answer, "(exit code 7)") {
		return errors.New("somebody answered")
	}
	return nil
}

// distinct wants at least n of the words in the answer.
func distinct(n int, words []string) check {
	return func(answer string) error {
		found := 0
		for _, w := range words {
			if strings.Contains(answer, w) {
				found++
			}
		}
		if found < n {
			return fmt.Errorf("answers of %d tasks, expected %d", found, n)
		}
		return succeeds(answer)
	}
}
