package haproxy

import (
	"context"
	"fmt"
	"time"

	"berth/mlb/plan"
	"berth/mlb/render"
)

// Change is what HAProxy shall do from now on, and how to get there.
type Change struct {
	Output render.Output
	Plan   plan.Plan
	// Sections tells those the configuration must and may have; nil allows any. It is asked only if there is a check.
	Sections func() *Sections
	// Checked says that Check has passed on this very output.
	Checked bool
}

func (c Change) sections() *Sections {
	if c.Sections == nil {
		return nil
	}
	return c.Sections()
}

// Result says what an Apply did.
type Result struct {
	Rung     plan.Rung // what it came to: Runtime commands that failed become a reload
	Reasons  []string  // of a reload
	Commands int       // sent over the Runtime API
	Duration time.Duration
	// Waiting are commands that HAProxy refused for the time being: see Send.
	Waiting []plan.Command
	// Pending is set when the files still have to follow: call Persist.
	Pending bool
}

// Apply makes HAProxy do what c says: starts it, sends commands, or reloads it. On any error the old files are in place and
// the old worker serves. A *CheckError says what HAProxy does not like about the configuration.
//
// After commands, the files on disk are still the old ones; Persist writes them. That keeps "haproxy -c", which takes as
// long as there are backends, out of the way of the change.
func (h *HAProxy) Apply(ctx context.Context, c Change) (Result, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	began := time.Now()
	r, err := h.apply(ctx, c)
	r.Duration = time.Since(began)
	return r, err
}

func (h *HAProxy) apply(ctx context.Context, c Change) (Result, error) {
	hash := Hash(c.Output)
	if !h.running {
		err := h.replaceWith(ctx, c, hash, func() error { return h.launch(ctx) })
		return Result{Rung: plan.Reload, Reasons: []string{"haproxy starts"}}, err
	}
	if h.does(c.Output) { // the files may be behind, if they could not be written
		return Result{Rung: plan.None, Pending: h.good.hash != hash}, nil
	}
	if h.current == "" && c.Plan.Rung != plan.Reload { // a plan is only worth what is known of its starting point
		c.Plan = plan.Plan{Rung: plan.Reload, Reasons: []string{"what haproxy does is not known for sure"}}
	}
	if c.Plan.Rung == plan.None { // what differs is nothing to HAProxy: comments, order
		h.current = hash
		return Result{Rung: plan.None, Pending: true}, nil
	}
	reasons := c.Plan.Reasons
	if c.Plan.Rung == plan.Runtime {
		waiting, err := h.change(ctx, c.Plan.Commands)
		if err == nil {
			h.current = hash
			r := Result{Rung: plan.Runtime, Commands: len(c.Plan.Commands), Waiting: waiting, Pending: true}
			return r, nil
		}
		h.opt.Log.Warn("runtime commands did not work, reloading instead", "err", err)
		reasons = []string{"runtime commands failed: " + err.Error()}
		c.Plan.Commands = nil
	}
	err := h.replaceWith(ctx, c, hash, func() error { return h.reload(ctx, c.Plan.Commands) })
	return Result{Rung: plan.Reload, Reasons: reasons, Commands: len(c.Plan.Commands)}, err
}

// change sends the commands of a plan. From here until it is known how that went, and until the files on disk agree, it is
// open what HAProxy does: whatever comes in between, be it the end of mlb, leads to a reload.
func (h *HAProxy) change(ctx context.Context, commands []plan.Command) ([]plan.Command, error) {
	h.current = ""
	if err := h.opt.Paths.doubt(); err != nil {
		return nil, err
	}
	return h.commands(ctx, commands)
}

// commands sends and verifies that the worker is still the one that was loaded: a worker that came up meanwhile would not
// have got them all.
func (h *HAProxy) commands(ctx context.Context, commands []plan.Command) ([]plan.Command, error) {
	ctx, cancel := context.WithTimeout(ctx, h.opt.ReloadTimeout)
	defer cancel()
	before, err := h.sock.info(ctx)
	if err != nil {
		return nil, err
	}
	if before.Marker != h.loaded {
		return nil, fmt.Errorf("worker %d runs %q: expected %q", before.PID, before.Marker, h.loaded)
	}
	waiting, err := h.sock.send(ctx, commands)
	if err != nil {
		return nil, err
	}
	after, err := h.sock.info(ctx)
	if err != nil {
		return nil, err
	}
	if after.PID != before.PID {
		return nil, fmt.Errorf("worker %d was replaced by %d meanwhile", before.PID, after.PID)
	}
	return waiting, nil
}

// Send sends commands to the current worker and returns those that have to wait.
func (h *HAProxy) Send(ctx context.Context, commands []plan.Command) ([]plan.Command, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.running {
		return nil, nil
	}
	return h.commands(ctx, commands)
}

// Check says whether HAProxy would take out, by structure, by "haproxy -c", and by trying the addresses it would bind anew.
func (h *HAProxy) Check(ctx context.Context, out render.Output, want *Sections) error {
	h.mu.Lock()
	known := h.binds
	h.mu.Unlock()
	_, err := h.check(ctx, out, want, known, 0)
	return err
}

func (h *HAProxy) check(ctx context.Context, out render.Output, want *Sections, known []string, nice int) ([]string, error) {
	binds, err := checkStructure(out.Config(), want)
	if err != nil {
		return nil, err
	}
	if r := endless(out.Config()); len(r) > 0 {
		return nil, &CheckError{Reasons: r}
	}
	if !h.opt.SkipCheck {
		if err := h.opt.Binary.verify(ctx, h.opt.Paths, out, h.opt.CheckTimeout, nice); err != nil {
			return nil, err
		}
	}
	if r := busyReasons(out.Config(), busy(ctx, binds, known)); len(r) > 0 {
		return nil, &CheckError{Reasons: r}
	}
	return binds, nil
}

// replaceWith checks the output, puts it in place and runs act; when that fails, the files are put back.
func (h *HAProxy) replaceWith(ctx context.Context, c Change, hash string, act func() error) error {
	var binds []string
	var err error
	if c.Checked {
		binds, err = checkStructure(c.Output.Config(), c.sections())
	} else {
		binds, err = h.check(ctx, c.Output, c.sections(), h.binds, 0)
	}
	if err != nil {
		return err
	}
	if err := h.opt.Paths.keepForeign(); err != nil {
		return err
	}
	old := h.good
	next := state{c.Output, hash}
	if err := h.put(next); err != nil {
		return err
	}
	if err := act(); err != nil {
		if old.Config() != nil {
			if back := h.put(old); back != nil {
				h.opt.Log.Error("the old files could not be put back", "err", back)
			}
		}
		return err
	}
	h.binds, h.current = binds, hash
	if err := h.opt.Paths.archive(h.opt.Archive, next.Config(), next.Maps); err != nil {
		h.opt.Log.Warn("configuration not archived", "err", err)
	}
	return nil
}

// put writes a state to disk and remembers it.
func (h *HAProxy) put(s state) error {
	if err := h.opt.Paths.install(s.Config(), s.Maps); err != nil {
		return err
	}
	h.good = s
	return nil
}

// Persist writes the files of an output that HAProxy already embodies through commands, so that a restart agrees with what
// runs. An output that is no longer current is passed over.
func (h *HAProxy) Persist(ctx context.Context, out render.Output, want *Sections) error {
	hash := Hash(out)
	h.mu.Lock()
	known := h.binds
	h.mu.Unlock()
	if _, err := h.check(ctx, out, want, known, background); err != nil {
		return fmt.Errorf("write files after runtime changes: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.running || h.current != hash {
		return nil
	}
	if h.good.hash != hash {
		if err := h.put(state{out, hash}); err != nil {
			return err
		}
	}
	info, err := h.sock.info(ctx)
	if err != nil {
		return err
	}
	if err := h.note(info.PID); err != nil {
		return err
	}
	return h.opt.Paths.settled()
}
