package process

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/hostport"
	"berth/orchestrator/driver/sandbox"
)

// Start implements driver.Driver. A task that was started and ends at once is no error here: its end is on Watch.
func (d *Driver) Start(ctx context.Context, spec driver.Spec) error {
	t, err := d.reserve(spec)
	if err != nil {
		return fmt.Errorf("start task %s: %w", spec.TaskID, err)
	}
	if err := os.Mkdir(t.dir, 0o711); err != nil {
		d.forget(spec.TaskID)
		if errors.Is(err, os.ErrExist) {
			err = errExists
		}
		return fmt.Errorf("start task %s: %w", spec.TaskID, err)
	}
	if err := d.bringUp(ctx, t, spec); err != nil {
		d.forget(spec.TaskID)
		return errors.Join(err, os.RemoveAll(t.dir))
	}
	return nil
}

func (d *Driver) bringUp(ctx context.Context, t *task, spec driver.Spec) error {
	ports, err := hostport.Of(spec)
	if err != nil {
		return err
	}
	if err := hostport.Check(ports, netip.Addr{}); err != nil {
		return err
	}
	cred, err := lookupUser(spec.App.User)
	if err != nil {
		return err
	}
	if err := t.rec.write(t.dir); err != nil {
		return fmt.Errorf("write the task's identity: %w", err)
	}
	if err := d.fill(ctx, t, spec.App, cred); err != nil {
		return err
	}
	env := environment(spec, t, d.opt.Path)
	argv, err := command(spec.App, t.work(), env)
	if err != nil {
		return err
	}
	return d.launch(t, argv, env, cred)
}

// fill makes the working directory and fetches what the app wants in it.
func (d *Driver) fill(ctx context.Context, t *task, app *api.App, cred *credential) error {
	if err := os.Mkdir(t.work(), 0o755); err != nil {
		return fmt.Errorf("make the sandbox: %w", err)
	}
	if len(app.Fetch) > 0 {
		d.feed.Publish(t.set(api.TaskStaging, fmt.Sprintf("fetching %d files", len(app.Fetch))))
	}
	if err := d.opt.Fetcher.Fetch(ctx, t.work(), app.Fetch); err != nil {
		return err
	}
	if cred != nil {
		if err := sandbox.Chown(t.work(), int(cred.Uid), int(cred.Gid)); err != nil {
			return fmt.Errorf("hand the sandbox to user %s: %w", app.User, err)
		}
	}
	return nil
}

// launch starts the supervising shell, writes down which process it is, and only then lets it run the command: if the
// daemon dies in between, the shell sees its gate close and ends, so no task ever runs unknown.
func (d *Driver) launch(t *task, argv, env []string, cred *credential) error {
	w, err := startWrapper(t, argv, env, cred)
	if err != nil {
		return err
	}
	defer w.gate.Close()
	p, err := readProc(w.pid)
	if err != nil {
		return fmt.Errorf("find the started process: %w", err)
	}
	t.rec.PID, t.rec.StartTime, t.rec.StartedAt = w.pid, p.start, time.Now().UTC()
	t.rec.Cgroup = makeCgroup(d.cgroup(), t.dir, w.pid)
	h, err := openHandle(w.pid, p.start)
	if err != nil {
		removeCgroup(t.rec.Cgroup)
		return fmt.Errorf("watch the started process: %w", err)
	}
	if err = t.rec.write(t.dir); err == nil {
		_, err = w.gate.WriteString("go\n")
	}
	if err != nil {
		_ = h.signal(syscall.SIGKILL)
		_ = h.wait(context.Background())
		h.reap()
		h.close()
		removeCgroup(t.rec.Cgroup)
		return fmt.Errorf("let the process go: %w", err)
	}
	t.mu.Lock()
	t.status.StartedAt = t.rec.StartedAt
	t.mu.Unlock()
	d.feed.Publish(t.set(api.TaskRunning, ""))
	d.work.Go(func() { d.supervise(t, h) })
	return nil
}

// command is the argument vector of an app. A program that cannot be found is refused here, in words, rather than
// started to end with code 127.
func command(app *api.App, dir string, env []string) ([]string, error) {
	if app.Cmd != "" {
		return []string{"/bin/sh", "-c", app.Cmd}, nil
	}
	if len(app.Args) == 0 {
		return nil, errors.New("the app has neither cmd nor args")
	}
	file, err := lookPath(app.Args[0], dir, env)
	if err != nil {
		return nil, err
	}
	return append([]string{file}, app.Args[1:]...), nil
}

// lookPath finds a program the way execvp(3) does, but with the task's PATH and from its directory.
func lookPath(name, dir string, env []string) (string, error) {
	if filepath.Base(name) != name {
		file := name
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		return file, executable(name, file)
	}
	search := lookupEnv(env, "PATH")
	denied := error(nil)
	for _, p := range filepath.SplitList(search) {
		file := filepath.Join(dir, p, name)
		if filepath.IsAbs(p) {
			file = filepath.Join(p, name)
		}
		err := executable(name, file)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			denied = err
		}
	}
	if denied != nil {
		return "", denied
	}
	return "", fmt.Errorf("command %q not found in PATH %q", name, search)
}

func executable(name, file string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("command %q not found: %w", name, err)
	case err != nil:
		return fmt.Errorf("command %q: %w", name, err)
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("command %q: permission denied: %s is not an executable file", name, file)
	}
	return nil
}
