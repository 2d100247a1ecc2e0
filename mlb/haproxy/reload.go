package haproxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"berth/mlb/plan"
)

// ErrNotConfirmed means that a reload was asked for but no worker showed the new text in time.
var ErrNotConfirmed = errors.New("no worker confirms the new configuration")

// reload brings the files in place to life in a new worker, and returns only when that worker shows the marker. drain goes to
// the old worker first; it is a courtesy, so what it answers does not matter.
func (h *HAProxy) reload(ctx context.Context, drain []plan.Command) error {
	marker := markerIn(h.good.Config())
	if marker == "" {
		return errors.New("reload haproxy: the configuration has no marker (the description of its global section)")
	}
	ctx, cancel := context.WithTimeout(ctx, h.opt.ReloadTimeout)
	defer cancel()
	before, err := h.sock.procs(ctx)
	if err != nil {
		return fmt.Errorf("reload haproxy: %w", err)
	}
	h.see(before)
	if len(drain) > 0 {
		h.current = "" // should the reload fail, these servers are not what the files say
		if err := h.opt.Paths.doubt(); err != nil {
			return fmt.Errorf("reload haproxy: %w", err)
		}
		if _, err := h.sock.send(ctx, drain); err != nil {
			h.opt.Log.Debug("draining before the reload", "err", err)
		}
	}
	if h.opt.KeepStates {
		if err := h.saveStates(ctx); err != nil {
			h.opt.Log.Warn("server states are not carried over", "err", err)
		}
	}
	mark := h.msgs.mark()
	refused, err := h.trigger(ctx)
	if err == nil && refused == "" {
		err = h.confirm(ctx, before, marker)
	}
	if err != nil || refused != "" {
		return h.failedReload(mark, refused, err)
	}
	return nil
}

// trigger asks the master for a reload. Since 2.7 it answers with the outcome, and refused holds its messages when that is
// bad; before, a signal is all there is.
func (h *HAProxy) trigger(ctx context.Context) (refused string, err error) {
	if !h.opt.Binary.Version.AtLeast(2, 7) {
		return "", h.master.signal(syscall.SIGUSR2)
	}
	answer, err := h.sock.toMaster(ctx, "reload")
	if err != nil {
		return "", fmt.Errorf("reload haproxy: %w", err)
	}
	if strings.HasPrefix(answer, "Success=0") {
		return answer, nil
	}
	return "", nil
}

// confirm waits for a worker that was not there before and shows the marker.
func (h *HAProxy) confirm(ctx context.Context, before Procs, marker string) error {
	var last error
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		info, err := h.confirmed(ctx, before, marker)
		if err == nil {
			h.loaded, h.current = marker, h.good.hash
			if err := h.note(info.PID); err != nil {
				return err
			}
			return h.opt.Paths.settled()
		}
		last = err
		if errors.Is(err, errRefused) {
			return err
		}
		if !h.master.alive() {
			return fmt.Errorf("reload haproxy: the master ended")
		}
		if sleep(ctx, pause) != nil {
			return fmt.Errorf("reload haproxy: %w within %s: %w", ErrNotConfirmed, h.opt.ReloadTimeout, last)
		}
	}
}

var errRefused = errors.New("haproxy refused the configuration")

func (h *HAProxy) confirmed(ctx context.Context, before Procs, marker string) (Info, error) {
	info, err := h.sock.info(ctx)
	if err == nil && !slices.Contains(before.Workers, info.PID) && info.Marker == marker {
		procs, err := h.sock.procs(ctx)
		if err != nil {
			return Info{}, err
		}
		if slices.Contains(procs.Workers, info.PID) {
			h.see(procs)
			return info, nil
		}
	}
	if err != nil {
		return Info{}, err
	}
	procs, err := h.sock.procs(ctx)
	if err != nil {
		return Info{}, err
	}
	if procs.Failed > before.Failed {
		return Info{}, errRefused
	}
	return Info{}, fmt.Errorf("worker %d shows %q: expected %q", info.PID, info.Marker, marker)
}

// failedReload turns the messages of a failed reload into reasons.
func (h *HAProxy) failedReload(mark int, refused string, err error) error {
	text := refused
	if text == "" {
		text = h.lateAlerts(mark)
	}
	if reasons := parseReasons(text, h.good.Config()); len(reasons) > 0 && !errors.Is(err, ErrNotConfirmed) {
		return fmt.Errorf("reload haproxy: %w", &CheckError{Reasons: reasons})
	}
	if err == nil {
		err = fmt.Errorf("reload haproxy: %w: %s", errRefused, shorten(refused))
	}
	return err
}

// Reload validates the files on disk and loads them as they are, whoever wrote them (marathon-lb's SIGUSR1).
func (h *HAProxy) Reload(ctx context.Context, maps []string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	out, err := h.opt.Paths.Read(maps)
	if err != nil {
		return err
	}
	if !h.opt.SkipCheck {
		if err := h.opt.Binary.Check(ctx, h.opt.Paths, out, h.opt.CheckTimeout); err != nil {
			return err
		}
	}
	good, binds := h.good, h.binds
	h.remember(out)
	if !h.running {
		return h.launch(ctx)
	}
	if err := h.reload(ctx, nil); err != nil {
		h.good, h.binds = good, binds
		return err
	}
	return nil
}
