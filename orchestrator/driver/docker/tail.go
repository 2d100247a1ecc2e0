package docker

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"berth/orchestrator/driver"
)

// The engine's own "tail" counts the lines of both streams together and chooses the stream afterwards: of ten lines of
// stderr it gives none if ten lines of stdout came later. So the moment of the first wanted line is looked up, and the
// logs are asked for from then on.

const (
	maxTail   = 100_000 // more lines than that means all
	firstLook = 64      // lines
	lookMore  = 16      // each further look takes so many times the lines
)

// tailStart returns the moment from which a stream has opt.Lines lines, "" if that is all of it.
func (d *Driver) tailStart(ctx context.Context, c container.InspectResponse, opt driver.LogOptions) (string, error) {
	for look := max(firstLook, 2*opt.Lines); ; look *= lookMore {
		wanted, other, err := d.look(ctx, c, opt, look)
		if err != nil {
			return "", err
		}
		if wanted.lines > opt.Lines || wanted.lines == opt.Lines && opt.Lines > 0 {
			return wanted.start(), nil
		}
		if wanted.lines+other.lines < look {
			return "", nil // that was all there is
		}
		if opt.Lines == 0 {
			return other.start(), nil
		}
	}
}

// look reads the last lines of both streams with their times. With a terminal, all is stdout.
func (d *Driver) look(
	ctx context.Context, c container.InspectResponse, opt driver.LogOptions, lines int,
) (wanted, other *stamps, err error) {
	body, err := d.cli.ContainerLogs(ctx, c.ID, container.LogsOptions{
		ShowStdout: true, ShowStderr: true, Timestamps: true, Tail: strconv.Itoa(lines),
	})
	if err != nil {
		return nil, nil, err
	}
	defer body.Close()
	wanted, other = newStamps(opt.Lines), newStamps(0)
	switch {
	case c.Config.Tty:
		_, err = io.Copy(wanted, body)
	case opt.Stream == driver.Stderr:
		_, err = stdcopy.StdCopy(other, wanted, body)
	default:
		_, err = stdcopy.StdCopy(wanted, other, body)
	}
	return wanted, other, err
}

// stamps is a writer that counts lines, each beginning with its time and a blank, and keeps the times of the last few.
type stamps struct {
	lines int
	keep  int
	times []string // ring of the last keep times, or the last one with keep 0
	head  []byte   // beginning of a line that is not complete
	skip  bool     // the time of the current line is known
}

// stampLen is the length of "2006-01-02T15:04:05.000000000Z", which the engine writes with all its zeros.
const stampLen = 30

func newStamps(keep int) *stamps { return &stamps{keep: keep, times: make([]string, max(keep, 1))} }

// Write never fails.
func (s *stamps) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if !s.skip {
			part := p[:min(len(p), stampLen-len(s.head))]
			s.head = append(s.head, part...)
			p = p[len(part):]
			if len(s.head) < stampLen {
				break
			}
			s.times[s.lines%len(s.times)] = string(s.head)
			s.head, s.skip = s.head[:0], true
			s.lines++
			continue
		}
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		p, s.skip = p[i+1:], false
	}
	return n, nil
}

// start is the time of the first line kept, or with none to keep, just after the last line.
func (s *stamps) start() string {
	if s.keep > 0 {
		return s.times[s.lines%len(s.times)]
	}
	if s.lines == 0 {
		return ""
	}
	t, err := time.Parse(time.RFC3339Nano, s.times[(s.lines-1)%len(s.times)])
	if err != nil {
		return ""
	}
	return t.Add(time.Nanosecond).Format(time.RFC3339Nano)
}
