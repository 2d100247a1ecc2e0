package process

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"berth/orchestrator/driver"
)

// rotateEvery is how often the sizes of output files are looked at.
const rotateEvery = 2 * time.Second

// output is one stream of a task: the current file, which the task has open, and one older part.
type output struct {
	name string // of the current file; the older part is name.1

	mu      sync.RWMutex // held for writing while the files are rotated, for reading while they are read
	turns   int          // rotations so far
	dropped int64        // bytes at the beginning of the file that the last rotation did not keep
}

func newOutputs(dir string) map[driver.Stream]*output {
	return map[driver.Stream]*output{
		driver.Stdout: {name: filepath.Join(dir, string(driver.Stdout))},
		driver.Stderr: {name: filepath.Join(dir, string(driver.Stderr))},
	}
}

func (o *output) old() string { return o.name + ".1" }

// parts names the files, the older first.
func (o *output) parts() []string { return []string{o.old(), o.name} }

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
		for _, o := range t.outputs {
			if err := o.rotate(d.opt.LogLimit); err != nil && !errors.Is(err, os.ErrNotExist) {
				d.opt.Log.Warn("bound a task's output", "task", t.rec.TaskID, "file", o.name, "error", err)
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

// rotate copies a file that has reached limit to the older part and cuts it to nothing. The task keeps its descriptor,
// which appends, so it writes on at the start. Of a file beyond twice the limit only the last limit bytes are kept. What
// the task writes between the end of the copy and the cut is lost: some microseconds' worth.
func (o *output) rotate(limit int64) error {
	info, err := os.Stat(o.name)
	if err != nil || info.Size() < limit {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	f, err := os.OpenFile(o.name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	start := int64(0)
	if info.Size() > 2*limit {
		start = info.Size() - limit
	}
	if err := replace(o.old(), io.NewSectionReader(f, start, 2*limit)); err != nil {
		return err
	}
	o.turns++
	o.dropped = start
	return f.Truncate(0)
}

// replace makes a file anew in one step.
func replace(name string, content io.Reader) error {
	tmp := name + ".tmp"
	out, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	if err := errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return os.Rename(tmp, name)
}
