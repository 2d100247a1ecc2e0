package process

import (
	"errors"
	"io"
	"os"
	"time"

	"berth/orchestrator/driver"
)

// rotateEvery is how often the sizes of output files are looked at.
const rotateEvery = 2 * time.Second

func (d *Driver) rotateLoop() {
	tick := time.NewTicker(rotateEvery)
	defer tick.Stop()
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-tick.C:
			d.rotateAll()
		}
	}
}

func (d *Driver) rotateAll() {
	for _, t := range d.living() {
		for _, s := range []driver.Stream{driver.Stdout, driver.Stderr} {
			parts := outputParts(t.dir, s)
			if err := rotate(parts[1], parts[0], d.opt.LogLimit); err != nil && !errors.Is(err, os.ErrNotExist) {
				d.opt.Log.Warn("bound a task's output", "task", t.rec.TaskID, "file", parts[1], "error", err)
			}
		}
	}
}

func (d *Driver) living() []*task {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*task
	for _, t := range d.tasks {
		if !t.ended() {
			out = append(out, t)
		}
	}
	return out
}

// rotate copies a file that has reached limit to old and cuts it to nothing. The task keeps its descriptor, which
// appends, so it writes on at the start; of a file beyond twice the limit only the last limit bytes are kept. What the task
// writes between the end of the copy and the cut is lost: some microseconds' worth.
func rotate(name, old string, limit int64) error {
	info, err := os.Stat(name)
	if err != nil || info.Size() < limit {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	tmp := old + ".tmp"
	out, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	start := int64(0)
	if info.Size() > 2*limit {
		start = info.Size() - limit
	}
	_, err = io.Copy(out, io.NewSectionReader(f, start, 2*limit))
	if err := errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, old); err != nil {
		return err
	}
	return f.Truncate(0)
}
