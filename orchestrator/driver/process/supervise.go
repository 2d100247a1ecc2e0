package process

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"berth/orchestrator/api"
)

// killTime bounds how long processes may take to end after SIGKILL; one in uninterruptible sleep ends only later.
const killTime = 5 * time.Second

// supervise waits for a task's end, makes sure that nothing of it is left, and tells. It ends early, leaving the task
// alone, when the driver closes.
func (d *Driver) supervise(t *task, h *handle) {
	defer h.close()
	if err := h.wait(d.ctx); err != nil {
		if d.ctx.Err() == nil {
			d.opt.Log.Error("wait for a task's process", "task", t.rec.TaskID, "error", err)
		}
		return
	}
	left, err := d.sweep(t)
	if d.ctx.Err() != nil {
		return
	}
	if err != nil || left > 0 {
		d.opt.Log.Error("processes of a task did not end", "task", t.rec.TaskID, "count", left, "error", err)
	}
	h.reap()
	d.finish(t)
}

// finish makes the task's end known.
func (d *Driver) finish(t *task) {
	removeCgroup(t.rec.Cgroup)
	t.mu.Lock()
	t.status = t.final(t.status)
	s := t.status
	t.mu.Unlock()
	close(t.done)
	d.feed.Publish(s)
}

// sweep ends what the task left behind when its command ended: within the rest of the grace time if it is being stopped,
// else at once. It returns how many processes could not be ended.
func (d *Driver) sweep(t *task) (int, error) {
	grace, cancel := t.graceContext(d.ctx)
	defer cancel()
	for {
		ms, err := t.members(d.procs)
		if err != nil || len(ms) == 0 {
			return 0, err
		}
		if awaitAll(grace, ms) != nil {
			return d.killAll(t)
		}
	}
}

// killAll repeats SIGKILL until nothing is left, because a process may fork before its turn comes.
func (d *Driver) killAll(t *task) (int, error) {
	ctx, cancel := context.WithTimeout(d.ctx, killTime)
	defer cancel()
	for {
		ms, err := t.members(d.procs)
		if err != nil || len(ms) == 0 || ctx.Err() != nil {
			return len(ms), err
		}
		for _, m := range ms {
			signalProc(m, syscall.SIGKILL)
		}
		_ = awaitAll(ctx, ms) // the next look tells
	}
}

// awaitAll waits until all of them have ended, or returns the context's error.
func awaitAll(ctx context.Context, ms []proc) error {
	for _, m := range ms {
		h, err := openHandle(m.pid, m.start)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return err
		}
		err = h.wait(ctx)
		h.close()
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// errClosed ends what waits for a task when the driver goes.
var errClosed = errors.New("the driver is closing")

// Stop implements driver.Driver. It covers the command, everything it started, also outside its process group, and
// gives what outlives the command the rest of the grace time.
func (d *Driver) Stop(ctx context.Context, taskID string, grace time.Duration) error {
	t, err := d.task(taskID)
	if err != nil {
		return err
	}
	if err := d.stop(ctx, t, grace); err != nil {
		return fmt.Errorf("stop task %s: %w", taskID, err)
	}
	return nil
}

func (d *Driver) stop(ctx context.Context, t *task, grace time.Duration) error {
	if t.ended() {
		return nil
	}
	if t.snapshot().State != api.TaskRunning {
		return errors.New("it is still being started")
	}
	if err := t.beginStop(grace); err != nil {
		return err
	}
	if err := t.awaitCommand(ctx, grace); err != nil {
		return err
	}
	if err := t.signalAll(d.procs, syscall.SIGTERM); err != nil {
		return err
	}
	if err := d.awaitEnd(ctx, t, grace); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return err
	}
	t.endKill()
	if err := t.signalAll(d.procs, syscall.SIGKILL); err != nil {
		return err
	}
	return d.awaitEnd(ctx, t, 2*killTime)
}

// awaitEnd waits at most limit for the task's end.
func (d *Driver) awaitEnd(ctx context.Context, t *task, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case <-t.done:
		return nil
	case <-d.ctx.Done():
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}
