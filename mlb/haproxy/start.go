package haproxy

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	"berth/mlb/render"
)

// Adopt takes over a master that an earlier mlb left running, as it is, and says whether there was one. maps names the maps
// that belong to the configuration.
func (h *HAProxy) Adopt(ctx context.Context, maps []string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.adopt(ctx) {
		return false
	}
	if onDisk, err := h.opt.Paths.Read(maps); err == nil {
		h.remember(onDisk)
	}
	h.watched()
	return true
}

// Start starts HAProxy from the files that an earlier mlb left. It fails with ErrNoConfig when there are none, or none of
// mlb's; the first Apply starts HAProxy then.
func (h *HAProxy) Start(ctx context.Context, maps []string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	onDisk, err := h.opt.Paths.Read(maps)
	if err != nil {
		return err
	}
	if markerIn(onDisk.Config()) == "" {
		return fmt.Errorf("%w: %s is not mlb's", ErrNoConfig, h.opt.Paths.Config)
	}
	h.remember(onDisk)
	return h.launch(ctx)
}

// remember takes files on disk for the last good ones.
func (h *HAProxy) remember(out render.Output) {
	h.good = state{out, Hash(out)}
	h.binds = scanBinds(out.Config())
}

// adopt takes over the master that answers on our socket and was started with our configuration. A master that runs but
// does not answer is ended.
func (h *HAProxy) adopt(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	note := h.opt.Paths.readRecord()
	procs, err := h.sock.procs(ctx)
	if err != nil || !runs(procs.Master, h.opt.Paths.Config) {
		h.clear(process{note.Master, note.Started})
		return false
	}
	info, err := h.sock.info(ctx)
	master, err2 := find(procs.Master)
	if err != nil || err2 != nil {
		h.clear(process{note.Master, note.Started})
		return false
	}
	h.running, h.master, h.loaded, h.current = true, master, info.Marker, ""
	if note.Master == master.pid && note.Started == master.started && note.Worker == info.PID &&
		note.Loaded == info.Marker && !h.opt.Paths.doubted() {
		h.current = note.Current
	}
	h.see(procs)
	return true
}

// clear ends a master of ours that cannot be used.
func (h *HAProxy) clear(master process) {
	if master.pid <= 0 || !master.alive() || !runs(master.pid, h.opt.Paths.Config) {
		return
	}
	h.opt.Log.Warn("a haproxy of ours does not answer and is ended", "pid", master.pid)
	_ = master.signal(syscall.SIGKILL)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = master.wait(ctx)
}

// see remembers which workers there are.
func (h *HAProxy) see(p Procs) {
	h.orphans = slices.DeleteFunc(h.orphans, func(o process) bool { return !o.alive() })
	h.workers = h.workers[:0]
	for _, pid := range append(append([]int(nil), p.Workers...), p.Old...) {
		if w, err := find(pid); err == nil {
			h.workers = append(h.workers, w)
		}
	}
}

// watched tells Run that there is a process.
func (h *HAProxy) watched() {
	select {
	case h.started <- struct{}{}:
	default:
	}
}

// launch starts a master from the files in place and waits until its worker answers. It fails with a *CheckError when
// HAProxy gives up, for example because an address is in use.
func (h *HAProxy) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.opt.StartTimeout)
	defer cancel()
	if h.opt.KeepStates {
		if err := h.opt.Paths.noStates(); err != nil {
			return err
		}
	}
	mark := h.msgs.mark()
	master, err := spawn(h.opt.Binary, h.opt.Paths)
	if err != nil {
		return err
	}
	info, err := h.ready(ctx, master)
	if err != nil {
		return h.failedStart(master, mark, err)
	}
	h.running, h.master, h.loaded, h.current = true, master, info.Marker, h.good.hash
	if procs, err := h.sock.procs(ctx); err == nil {
		h.see(procs)
	}
	h.watched()
	if err := h.note(info.PID); err != nil {
		return err
	}
	return h.opt.Paths.settled()
}

// failedStart ends a master that did not come up and finds out why.
func (h *HAProxy) failedStart(master process, mark int, err error) error {
	_ = master.signal(syscall.SIGKILL)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = master.wait(ctx)
	h.running = false
	if reasons := parseReasons(h.lateAlerts(mark), h.good.Config()); len(reasons) > 0 {
		return fmt.Errorf("start haproxy: %w", &CheckError{Reasons: reasons})
	}
	return fmt.Errorf("start haproxy: %w", err)
}

// lateAlerts waits a moment for messages that are still in the pipe.
func (h *HAProxy) lateAlerts(mark int) string {
	for range 20 {
		if h.msgs.mark() > mark {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return h.msgs.since(mark)
}

// ready waits until a worker of this master answers.
func (h *HAProxy) ready(ctx context.Context, master process) (Info, error) {
	for {
		info, err := h.sock.info(ctx)
		if err == nil {
			if procs, err := h.sock.procs(ctx); err == nil && procs.Master == master.pid &&
				slices.Contains(procs.Workers, info.PID) {
				return info, nil
			}
		}
		if !master.alive() {
			return Info{}, fmt.Errorf("haproxy ended at once")
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return Info{}, fmt.Errorf("no answer on %s within %s", h.opt.Paths.Stats, h.opt.StartTimeout)
		}
	}
}

// note writes the record.
func (h *HAProxy) note(worker int) error {
	return h.opt.Paths.writeRecord(record{
		Master: h.master.pid, Started: h.master.started, Worker: worker, Loaded: h.loaded, Current: h.current,
	})
}

// revive starts HAProxy again after its master ended. Workers that outlived the master are told to finish: new ones take
// their place, and nobody else would stop them.
func (h *HAProxy) revive(ctx context.Context, dead process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.running || h.master != dead {
		return
	}
	for _, w := range h.workers {
		_ = w.signal(syscall.SIGUSR1)
	}
	h.orphans = append(h.orphans, h.workers...)
	began := time.Now()
	h.restarts++
	if err := h.launch(ctx); err != nil {
		h.running = true // keep trying
		h.opt.Log.Error("haproxy died and does not start", "err", err)
		return
	}
	h.opt.Log.Warn("haproxy had died and was started again", "pid", h.master.pid, "took", time.Since(began))
	select {
	case h.restarted <- struct{}{}:
	default:
	}
}
