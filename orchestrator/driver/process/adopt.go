package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
)

// adopt enters every task of the cluster that has a directory: living ones are supervised from now on, ended ones get
// their final state. A directory without identity is not ours (the docker driver keeps its sandboxes apart, but an
// administrator may keep anything).
func (d *Driver) adopt() error {
	entries, err := os.ReadDir(d.root)
	if err != nil {
		return fmt.Errorf("read the sandbox directory: %w", err)
	}
	marks, err := markedDirs()
	if err != nil {
		return fmt.Errorf("look for running tasks: %w", err)
	}
	for _, e := range entries {
		dir := filepath.Join(d.root, e.Name())
		r, err := readRecord(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			d.opt.Log.Error("skip a task whose identity cannot be read", "error", err)
			continue
		}
		if r.Cluster != d.opt.Cluster || r.Kind != driver.KindProcess {
			continue
		}
		if err := d.adoptTask(newTask(dir, r), marks); err != nil {
			return fmt.Errorf("adopt task %s: %w", r.TaskID, err)
		}
	}
	return nil
}

func (d *Driver) adoptTask(t *task, marks []string) error {
	_, err := os.Stat(filepath.Join(t.dir, stopFile))
	t.stopping = err == nil
	d.tasks[t.rec.TaskID] = t
	if t.rec.PID == 0 || t.rec.Boot != d.boot {
		d.neverSeenAgain(t)
		return nil
	}
	h, err := openHandle(t.rec.PID, t.rec.StartTime)
	switch {
	case err == nil:
		t.status.State = api.TaskRunning
		d.work.Go(func() { d.supervise(t, h) })
		return nil
	case !errors.Is(err, errGone):
		return err
	}
	if slices.Contains(marks, t.dir) || len(cgroupProcs(t.rec.Cgroup)) > 0 {
		if _, err := d.killAll(t); err != nil {
			return err
		}
	}
	(&handle{pid: t.rec.PID}).reap()
	d.finish(t)
	return nil
}

// neverSeenAgain ends a task whose process cannot be there any more.
func (d *Driver) neverSeenAgain(t *task) {
	t.status = t.final(t.status)
	if _, known := readExit(filepath.Join(t.dir, exitFile)); !known {
		t.status.Message = "the host was restarted while it ran"
		if t.rec.PID == 0 {
			t.status.Message = "the orchestrator ended before the task was started"
		}
	}
	close(t.done)
}

// markedDirs lists the task directories that some living process bears as its mark.
func markedDirs() ([]string, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, p := range all {
		if dir := p.mark; dir != "" && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}
