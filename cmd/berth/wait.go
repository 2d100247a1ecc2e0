package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"berth/orchestrator/api"
)

// exitUnfinished says that a change was accepted but not finished in time.
const exitUnfinished = 3

// pollInterval is how often a change that is waited for is looked at.
const pollInterval = 250 * time.Millisecond

// change is an accepted write of one app.
type change struct {
	id      string
	result  api.DeploymentResult
	removed bool
}

// unfinished is the error of a change that took too long; it carries the last known reasons.
type unfinished struct {
	after   time.Duration
	id      string
	reasons []string
}

func (u unfinished) ExitCode() int { return exitUnfinished }

func (u unfinished) Error() string {
	s := fmt.Sprintf("%s was accepted, but is not done after %s", u.id, u.after)
	for _, r := range u.reasons {
		s += "\n  " + r
	}
	return s
}

// waitFor follows the changes until all are done, one after the other, telling of progress on stderr.
func (r *remote) waitFor(changes []change, w *writeFlags) error {
	if !w.wait {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, w.timeout)
	defer cancel()
	start := time.Now()
	for _, c := range changes {
		f := follower{r: r, c: c, start: start}
		err := f.run(ctx)
		if errors.Is(err, context.DeadlineExceeded) && r.ctx.Err() == nil {
			return unfinished{w.timeout, c.id, f.reasons}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// follower tells of one change.
type follower struct {
	r       *remote
	c       change
	start   time.Time
	last    string   // the line last printed
	reasons []string // why it is not done yet
}

func (f *follower) run(ctx context.Context) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		s, err := f.look(ctx)
		switch {
		case err == nil:
			f.tell(s)
			if s.done {
				return nil
			}
			if err := f.failure(ctx, s); err != nil {
				return err
			}
			if s.superseded {
				return fmt.Errorf("wait for %s: somebody changed it again meanwhile", f.c.id)
			}
		case ctx.Err() != nil:
			return ctx.Err()
		case !temporary(err):
			return explain("wait for "+f.c.id, err)
		default:
			f.reasons = []string{err.Error()}
			f.print("no answer, trying again: " + err.Error())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// failure says why the change's deployment has failed, if it has: by its deadline, or because somebody ended it. A Marathon
// does not remember that.
func (f *follower) failure(ctx context.Context, s progress) error {
	if s.running || f.c.result.DeploymentID == "" {
		return nil
	}
	d, err := f.r.c.Deployment(ctx, f.c.result.DeploymentID)
	if err != nil || d.State != api.DeploymentFailed {
		return nil
	}
	return fmt.Errorf("deployment %s of %s failed: %s", d.ID, f.c.id, strings.Map(plain, d.Reason))
}

// temporary tells a server that is away or busy from one that refuses.
func temporary(err error) bool {
	var e *api.Error
	return !errors.As(err, &e) || e.Code == api.CodeUnavailable || e.Code == api.CodeInternal
}

// look reads how far the change is.
func (f *follower) look(ctx context.Context) (progress, error) {
	deployments, err := f.r.c.Deployments(ctx)
	if err != nil {
		return progress{}, err
	}
	app, err := f.r.c.App(ctx, f.c.id)
	if api.CodeOf(err) == api.CodeNotFound {
		app, err = nil, nil
	}
	if err != nil {
		return progress{}, err
	}
	var queue []api.QueueEntry
	if app != nil {
		if queue, err = f.r.c.Queue(ctx); err != nil {
			return progress{}, err
		}
	}
	return judge(f.c, app, deployments, queue), nil
}

func (f *follower) tell(s progress) {
	f.reasons = s.reasons
	line := s.line
	if len(s.reasons) > 0 {
		line += "; " + strings.Join(s.reasons, "; ")
	}
	f.print(line)
}

// print writes a line if it differs from the one before, so that a log holds what happened and nothing else.
func (f *follower) print(line string) {
	if line == f.last {
		return
	}
	f.last = line
	f.r.say("%6.1fs  %s: %s", time.Since(f.start).Seconds(), f.c.id, strings.Map(plain, line))
}
