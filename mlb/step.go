package mlb

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"berth/mlb/certs"
	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/mlb/plan"
	"berth/mlb/render"
	"berth/mlb/spare"
	"berth/orchestrator/client"
)

// attempt is one pass from a snapshot to HAProxy.
type attempt struct {
	snapshot *client.Snapshot
	built    *model.Model // what the apps ask for
	model    *model.Model // without what HAProxy refuses
	served   *model.Model // with what is kept in store, and by the names that services have for now
	claims   spare.Claims
	layout   spare.Layout
	reserved map[int]string // ports of mlb's own
	out      *render.Output
	problems []model.Problem // of the snapshot, the labels and the templates
	sections func() *haproxy.Sections
	certs    certs.Set // as they were before a reload
}

// step brings HAProxy in line with the latest snapshot.
func (l *LB) step(ctx context.Context) {
	l.mu.Lock()
	snap := l.snapshot
	l.mu.Unlock()
	if snap == nil {
		return
	}
	l.retry.Stop()
	began := time.Now()
	a := &attempt{snapshot: snap, reserved: l.opt.Model.Reserved}
	a.built, a.problems = l.builder.Build(snap.Apps)
	for id, reason := range snap.Problems {
		a.problems = append(a.problems, model.Problem{App: id, Reason: reason, Severity: model.SeverityError})
	}
	l.acquit(a)
	l.tried = snap
	result, p, err := l.try(ctx, a)
	if ctx.Err() != nil {
		return
	}
	l.publish(a)
	if err != nil {
		l.metrics.failure(time.Since(began))
		l.failed(err)
		l.again(err)
		return
	}
	l.applied(ctx, a, p, result, time.Since(began))
}

// try applies an attempt. While HAProxy refuses it, the reason is looked for: new templates are given up, guilty apps are
// set aside, and the rest is tried again.
func (l *LB) try(ctx context.Context, a *attempt) (haproxy.Result, plan.Plan, error) {
	const rounds = 6
	for round := 1; ; round++ {
		set := l.templates
		if l.candidate != nil {
			set = l.candidate
		}
		a.model = l.withoutPorts(l.aside.substitute(a.built, l.state.Model, l.guiltyApps()))
		p, found := l.propose(a, set)
		if p.Rung == plan.Reload {
			a.certs = certs.Scan(certs.Named(a.out.Config(), func(file string) []byte { return mapData(a, file) }))
		}
		result, err := l.opt.Proxy.Apply(ctx, haproxy.Change{Output: *a.out, Plan: p, Sections: a.sections})
		var refused *haproxy.CheckError
		if err == nil || !errors.As(err, &refused) || round == rounds {
			a.problems = append(a.problems, found...)
			if err == nil && l.candidate != nil {
				l.templates, l.candidate = l.candidate, nil
			}
			return result, p, err
		}
		if l.standIns(a) {
			continue
		}
		if l.stock.refused(a, refused) {
			l.log.Warn("ports in store", "err", refused)
			continue
		}
		if l.candidate != nil && l.templatesToBlame(ctx, a) {
			l.rejectTemplates(refused)
			continue
		}
		if n, err2 := l.convict(ctx, a, set, refused); err2 != nil || n == 0 {
			a.problems = append(a.problems, found...)
			return result, p, errors.Join(err, err2)
		}
	}
}

// applied takes note of success and tells everyone.
func (l *LB) applied(ctx context.Context, a *attempt, p plan.Plan, r haproxy.Result, took time.Duration) {
	leftover := l.leftover(a.out, p, r)
	first := l.state.Output == nil
	l.state = plan.State{Model: a.model, Output: a.out, Leftover: leftover}
	l.force, l.failures = "", 0
	if first || r.Rung == plan.Reload {
		l.noteCertificates(ctx, a)
		l.cookies = l.opt.Proxy.AddsCookies(ctx)
	}
	l.stock.keep(a)
	l.drain.set(a.snapshot.Index, a.served)
	if r.Pending {
		l.files.put(*a.out, a.sections)
	}
	if r.Rung != plan.None {
		l.log.Info("applied", "rung", r.Rung.String(), "commands", r.Commands, "reasons", r.Reasons,
			"index", a.snapshot.Index, "apps", len(a.snapshot.Apps), "services", len(a.model.Services), "took", took)
	}
	l.metrics.applied(r, took)
	l.succeeded(a, p, r, took)
}

// failed takes note of a failure and says so.
func (l *LB) failed(err error) {
	l.mu.Lock()
	l.status.LastError, l.status.LastErrorAt = err.Error(), time.Now()
	l.status.Failing = true
	l.mu.Unlock()
}

// caughtUp takes back a failure that was of the files alone.
func (l *LB) caughtUp() {
	if l.failures > 0 {
		return
	}
	l.mu.Lock()
	l.status.Failing, l.status.LastError = false, ""
	l.mu.Unlock()
}

// again plans the next try.
func (l *LB) again(err error) {
	l.failures++
	if l.opt.MaxRetries >= 0 && l.failures > l.opt.MaxRetries {
		l.log.Error("haproxy keeps its old configuration until something changes", "err", err, "tries", l.failures)
		return
	}
	wait := min(l.opt.RetryInterval, time.Second<<min(l.failures-1, 10))
	l.log.Error("haproxy keeps its old configuration", "err", err, "again_in", wait)
	l.retry.Reset(wait)
}

// leftover lists the servers that HAProxy has not let go of: those that had to wait, and earlier ones unless they came back
// or a reload ended them.
func (l *LB) leftover(out *render.Output, p plan.Plan, r haproxy.Result) map[string]string {
	if r.Rung == plan.Reload || len(l.state.Leftover)+len(r.Waiting) == 0 {
		return nil
	}
	all := maps.Clone(l.state.Leftover)
	if all == nil {
		all = map[string]string{}
	}
	waiting := map[string]bool{}
	for _, c := range r.Waiting {
		waiting[c.Line] = true
	}
	eachServer(l.state.Output, touched(p), func(path, line string) {
		if waiting[plan.Delete(path).Line] {
			all[path] = line
		}
	})
	back := map[string]bool{}
	for path := range all {
		back[backendOf(path)] = true
	}
	eachServer(out, back, func(path, _ string) { delete(all, path) })
	return all
}

// touched are the backends that a plan deletes servers from.
func touched(p plan.Plan) map[string]bool {
	set := map[string]bool{}
	for _, c := range p.Commands {
		if path, ok := strings.CutPrefix(c.Line, plan.Delete("").Line); ok {
			set[backendOf(path)] = true
		}
	}
	return set
}

// backendOf is the first half of "backend/server".
func backendOf(path string) string {
	backend, _, _ := strings.Cut(path, "/")
	return backend
}

// eachServer calls f for the servers of some backends.
func eachServer(out *render.Output, backends map[string]bool, f func(path, line string)) {
	if out == nil || len(backends) == 0 {
		return
	}
	for _, fragment := range out.Fragments {
		if !backends[fragment.Service.Name] {
			continue
		}
		for _, s := range fragment.Servers {
			f(fragment.Service.Name+"/"+s.Name, s.Line)
		}
	}
}

// removeLeftovers asks HAProxy once more to delete servers that still had sessions.
func (l *LB) removeLeftovers(ctx context.Context) {
	if len(l.state.Leftover) == 0 {
		return
	}
	var commands []plan.Command
	for path := range l.state.Leftover {
		commands = append(commands, plan.Delete(path))
	}
	waiting, err := l.opt.Proxy.Send(ctx, commands)
	if err != nil {
		l.log.Debug("servers that are left over", "err", err)
		return
	}
	left := map[string]string{}
	for path, line := range l.state.Leftover {
		for _, c := range waiting {
			if c.Line == plan.Delete(path).Line {
				left[path] = line
			}
		}
	}
	l.state.Leftover = left
}

// mapData is the text of a file of an attempt.
func mapData(a *attempt, file string) []byte {
	for _, m := range a.out.Maps {
		if m.Name == filepath.Base(file) {
			return m.Data
		}
	}
	return nil
}
