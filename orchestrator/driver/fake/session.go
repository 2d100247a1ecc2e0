package fake

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"

	"berth/orchestrator/driver"
)

var _ driver.Interactive = (*Driver)(nil)

// Open implements driver.Interactive for what Exec knows, by /bin/sh -c, and for cat, which sends back what it gets.
func (d *Driver) Open(ctx context.Context, taskID string, opt driver.SessionOptions) (driver.Session, error) {
	command := strings.Join(opt.Command, " ")
	if len(opt.Command) == 3 && slices.Equal(opt.Command[:2], []string{"/bin/sh", "-c"}) {
		command = opt.Command[2]
	}
	res, err := d.Exec(ctx, taskID, command)
	if err != nil {
		return nil, err
	}
	s := &session{code: res.ExitCode}
	if command == "cat" && opt.Stdin {
		s.code = 0
		s.out, s.in = io.Pipe()
		return s, nil
	}
	if opt.TTY {
		res.Output = bytes.ReplaceAll(res.Output, []byte("\n"), []byte("\r\n"))
	}
	s.stdout = bytes.NewReader(res.Output)
	return s, nil
}

type session struct {
	code   int
	stdout io.Reader
	out    *io.PipeReader
	in     *io.PipeWriter
}

func (s *session) Write(p []byte) (int, error) {
	if s.in == nil {
		return len(p), nil
	}
	return s.in.Write(p)
}

func (s *session) CloseWrite() error { return s.Close() }

func (s *session) Stdout() io.Reader {
	if s.out != nil {
		return s.out
	}
	return s.stdout
}

func (s *session) Stderr() io.Reader                          { return strings.NewReader("") }
func (s *session) Resize(context.Context, int, int) error     { return nil }
func (s *session) Wait(context.Context) (code int, err error) { return s.code, nil }

func (s *session) Close() error {
	if s.in == nil {
		return nil
	}
	return s.in.Close()
}
