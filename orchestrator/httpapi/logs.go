package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
)

// maxLines bounds the parameter lines of a log.
const maxLines = 1_000_000

// taskLogs is GET /v2/tasks/{task}/logs?stream=stdout|stderr&follow=true&lines=n: what a task printed, as plain text.
func (s *Server) taskLogs(w http.ResponseWriter, c *call) error {
	opt, err := c.logOptions()
	if err != nil {
		return err
	}
	select {
	case s.followed <- struct{}{}:
		defer func() { <-s.followed }()
	default:
		return overloaded("too many logs are being read")
	}
	ctx, cancel := s.untilClosed(c.Context())
	defer cancel()
	r, err := s.backend.Logs(ctx, c.arg, opt)
	if errors.Is(err, driver.ErrNotFound) {
		return api.NotFound("Task", c.arg)
	}
	if err != nil {
		return err
	}
	defer r.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	if c.Method == http.MethodHead {
		return nil
	}
	if err := s.copyOut(w, r); err != nil {
		s.log.Debug("log not sent to its end", "task", c.arg, "error", err)
	}
	return nil
}

func (c *call) logOptions() (driver.LogOptions, error) {
	opt := driver.LogOptions{Stream: driver.Stdout, Follow: c.flag("follow", false), Lines: -1}
	if c.query.Has("stream") {
		opt.Stream = driver.Stream(c.query.Get("stream"))
	}
	if opt.Stream != driver.Stdout && opt.Stream != driver.Stderr {
		return opt, badParameter(fmt.Sprintf("parameter stream %q: expected stdout or stderr", opt.Stream))
	}
	if text := c.query.Get("lines"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > maxLines {
			return opt, badParameter(fmt.Sprintf("parameter lines %q: expected a number from 0 to %d", text, maxLines))
		}
		opt.Lines = n
	}
	return opt, nil
}

// copyOut sends what comes as it comes, also single lines.
func (s *Server) copyOut(w http.ResponseWriter, r io.Reader) error {
	rc := http.NewResponseController(w)
	if err := rc.Flush(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			_ = rc.SetWriteDeadline(time.Now().Add(s.opt.WriteTimeout)) // the write itself reports what is wrong
			if _, err := w.Write(buf[:n]); err != nil {
				return fmt.Errorf("write: %w", err)
			}
			if err := rc.Flush(); err != nil {
				return fmt.Errorf("flush: %w", err)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
}
