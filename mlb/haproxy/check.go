package haproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"berth/mlb/render"
)

// Check lets HAProxy validate out ("haproxy -c") without touching anything in place. A *CheckError carries what HAProxy
// complained about, or that it took longer than timeout or ctx's deadline; any other error means that the check itself did
// not work.
func (b *Binary) Check(ctx context.Context, p Paths, out render.Output, timeout time.Duration) error {
	return b.verify(ctx, p, out, timeout, 0)
}

// background is how nice a check is that nobody waits for: it takes as long as there are backends, and changes that come
// meanwhile go first.
const background = 10

func (b *Binary) verify(ctx context.Context, p Paths, out render.Output, timeout time.Duration, nice int) error {
	if err := p.make(); err != nil {
		return err
	}
	dir, err := p.stage(out)
	if dir != "" {
		defer os.RemoveAll(dir)
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	c := exec.CommandContext(ctx, b.Path, "-c", "-f", filepath.Join(dir, configName))
	c.Env = environment()
	c.Dir = dir
	c.WaitDelay = time.Second
	text, err := combined(c, nice)
	if err == nil {
		return nil
	}
	var exit *exec.ExitError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		took := time.Since(began).Round(time.Second / 10)
		return &CheckError{NoVerdict: true, Reasons: []Reason{{Message: fmt.Sprintf("haproxy -c gives no verdict within %s", took)}}}
	case ctx.Err() != nil:
		return fmt.Errorf("check configuration: %w", context.Cause(ctx))
	case !errors.As(err, &exit):
		return fmt.Errorf("check configuration: %w", err)
	}
	// Say the paths as the operator knows them.
	text = bytes.ReplaceAll(text, []byte(dir), []byte(p.Dir()))
	reasons := parseReasons(string(text), out.Config())
	if len(reasons) == 0 {
		reasons = []Reason{{Message: "haproxy -c: " + shorten(string(bytes.TrimSpace(text))+" ("+err.Error()+")")}}
	}
	return &CheckError{Reasons: reasons}
}

// combined runs a command below the priority of everything else: HAProxy itself may need the processor.
func combined(c *exec.Cmd, nice int) ([]byte, error) {
	var text bytes.Buffer
	c.Stdout, c.Stderr = &text, &text
	if err := c.Start(); err != nil {
		return nil, err
	}
	if nice > 0 {
		_ = unix.Setpriority(unix.PRIO_PROCESS, c.Process.Pid, nice) // a courtesy
	}
	err := c.Wait()
	return text.Bytes(), err
}
