package vip

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/client"
	"berth/vip/ruleset"
)

// step brings the kernel to the latest snapshot. Nothing is touched before there is one.
func (l *LB) step(ctx context.Context) {
	l.mu.Lock()
	snapshot, look, compare := l.snapshot, l.look, l.compare
	l.look, l.compare = false, false
	l.mu.Unlock()
	if snapshot == nil {
		l.mu.Lock()
		l.look, l.compare = true, true
		l.mu.Unlock()
		return
	}
	start := time.Now()
	err := l.bring(ctx, snapshot, look, compare)
	if err != nil && ctx.Err() == nil {
		l.log.Error("rules not brought up to date", "err", err)
		l.known = false
		l.mu.Lock()
		l.look = true
		l.mu.Unlock()
		l.retry.Reset(l.opt.Retry)
	}
	l.mu.Lock()
	l.state.err = ""
	if err != nil {
		l.state.err = err.Error()
	}
	l.mu.Unlock()
	l.metrics.stepped(time.Since(start), err)
	if err == nil {
		l.acknowledge(ctx)
	}
}

// bring looks at the host if asked, computes, and applies.
func (l *LB) bring(ctx context.Context, s *client.Snapshot, look, compare bool) error {
	if compare || !l.known {
		if err := l.read(); err != nil {
			return err
		}
	}
	if look || l.facts == nil {
		if err := l.lookAround(); err != nil {
			return err
		}
	}
	apps := l.keep(s)
	if l.hosts.learn(ctx, apps) {
		l.builder = nil
	}
	if err := l.ensureBuilder(); err != nil {
		return err
	}
	result := l.builder.Build(apps, l.links())
	if look || !slices.Equal(l.planned, result.Ruleset.Hairpin) {
		if err := l.replan(result.Ruleset.Hairpin); err != nil {
			return err
		}
		result = l.builder.Build(apps, l.links())
	}
	l.memory.take(l.builder)
	routeErr, err := l.enforce(result, compare)
	if err != nil {
		return err
	}
	l.publish(result, s.Index, routeErr)
	if l.opt.Published != nil {
		l.opt.Published(result)
	}
	return nil
}

// keep returns the apps of a snapshot; one that could not be read now is as it was last.
func (l *LB) keep(s *client.Snapshot) []*api.AppInfo {
	apps := s.Apps
	if len(s.Problems) == 0 {
		l.apps = apps
		return apps
	}
	for _, a := range l.apps {
		if _, unreadable := s.Problems[a.ID]; !unreadable {
			continue
		}
		byID := func(a *api.AppInfo, id string) int { return strings.Compare(a.ID, id) }
		if i, ok := slices.BinarySearchFunc(apps, a.ID, byID); !ok {
			apps = slices.Insert(slices.Clone(apps), i, a)
		}
	}
	l.apps = apps
	return apps
}

// read takes over what the kernel has.
func (l *LB) read() error {
	have, odd, err := l.opt.Kernel.Read()
	if err != nil {
		return err
	}
	if len(odd) > 0 {
		l.log.Warn("the table is not as vip makes it and is made anew", "first", odd[0], "differences", len(odd))
	}
	// The same is kept as it was: what it shares with the next state does not have to be compared.
	if l.have == nil || have == nil || !have.Equal(l.have) {
		l.have = have
	}
	l.known = true
	return nil
}

func (l *LB) lookAround() error {
	f, err := l.opt.Host.Look()
	if err != nil {
		return err
	}
	if l.facts == nil || !slices.Equal(l.facts.Addrs, f.Addrs) || !slices.Equal(l.facts.Reserved, f.Reserved) ||
		l.facts.Source4 != f.Source4 || l.facts.Source6 != f.Source6 || l.facts.MTU != f.MTU {
		l.builder, l.prepared = nil, false
	}
	l.facts = f
	if err := l.opt.Host.Prepare(f); err != nil { // also when somebody removed device or routes
		return err
	}
	l.prepared = true
	return nil
}

// ensureBuilder makes a builder for the present facts; names keep their addresses.
func (l *LB) ensureBuilder() error {
	if l.builder != nil {
		return nil
	}
	opt := l.opt.Ruleset
	opt.Nodes = append(slices.Clone(opt.Nodes), l.facts.Addrs...)
	opt.Reserved = append(slices.Clone(opt.Reserved), l.facts.Reserved...)
	opt.Hosts = l.hosts.known()
	opt.Remembered = l.memory.assignments()
	b, err := ruleset.NewBuilder(opt)
	if err != nil {
		return err
	}
	l.builder = b
	return nil
}

// links are the roles of interfaces, as far as they are known.
func (l *LB) links() []ruleset.Link {
	uplinks := l.opt.Uplinks
	if uplinks == nil {
		uplinks = l.facts.Uplinks
	}
	if l.opt.NoGuard {
		uplinks = nil
	}
	return l.facts.Links(l.plan, l.ownHairpin(), uplinks)
}

// ownHairpin lists the ports whose hairpin mode is ours: those that need it and do not have it, and those the table has
// noted, for as long as they exist. A port does not lose the mode with its last VIP, because a container's connections to
// itself, which may still be open, would break.
func (l *LB) ownHairpin() []string {
	var out []string
	for _, port := range l.plan.Ports {
		if l.noted(port) || !l.opt.Host.Hairpin(port) {
			out = append(out, port)
		}
	}
	if l.have != nil {
		for _, x := range l.have.Links {
			if x.Role == ruleset.HairpinPort && l.opt.Host.Hairpin(x.Name) {
				out = append(out, x.Name)
			}
		}
	}
	return out
}

func (l *LB) noted(port string) bool {
	return l.have != nil && slices.Contains(l.have.Links, ruleset.Link{Role: ruleset.HairpinPort, Name: port})
}

func (l *LB) replan(hairpin []netip.Addr) error {
	plan, err := l.opt.Host.Plan(l.facts, hairpin)
	if err != nil {
		return err
	}
	l.plan, l.planned = plan, hairpin
	return nil
}

func (l *LB) count(f func(*state)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.state)
}

func (l *LB) generation() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.generation
}

// publish makes the result visible.
func (l *LB) publish(r ruleset.Result, index uint64, routeErr error) {
	warnings := slices.Clone(l.facts.Warnings)
	if routeErr != nil {
		warnings = append(warnings, routeErr.Error())
		l.log.Warn("routes not as they should be", "err", routeErr)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.result, l.state.have, l.state.facts, l.state.index, l.state.warnings = r, l.have, l.facts, index, warnings
	if l.state.programmed.IsZero() {
		l.state.programmed = time.Now()
	}
}
