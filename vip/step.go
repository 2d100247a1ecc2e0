package vip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/client"
	"berth/vip/nft"
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
	if err == nil && snapshot.Index > 0 {
		if err := l.opt.Source.Ack(ctx, api.Ack{Role: "vip", Index: snapshot.Index}); err != nil {
			l.log.Warn("acknowledgement not sent", "index", snapshot.Index, "err", err)
		}
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
	return nil
}

// keep returns the apps of a snapshot; one that could not be read now is as it was last.
func (l *LB) keep(s *client.Snapshot) []*api.AppInfo {
	apps := s.Apps
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
	l.have, l.known = have, true
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

// enforce applies the difference: routes that are not wanted go first, then the rules change in one transaction, then new
// routes come, and last tracked connections that would be wrong are forgotten. A failure of routes is told by itself: the
// rules are in force.
func (l *LB) enforce(r ruleset.Result, compared bool) (routeErr, err error) {
	have, want := l.have, ruleset.Settle(l.have, r.Ruleset)
	routes := prefixes(want)
	routeErr = l.opt.Host.DropRoutes(routes)
	if compared && l.generation() > 0 && differs(have, want) {
		l.log.Warn("repairing the table")
		l.count(func(s *state) { s.repairs++ })
	}
	for _, next := range l.steps(want) {
		if err := l.apply(ruleset.Diff(l.have, next), next); err != nil {
			return routeErr, err
		}
		l.have = next
	}
	if l.want = want; l.have != want {
		l.leftovers.Reset(leftoverTime)
	}
	routeErr = errors.Join(routeErr, l.opt.Host.AddRoutes(routes), l.switchHairpin(want))
	return routeErr, l.forget(have, want, r)
}

// leftoverTime is how long slots and chains that are out of use stay: by then the last packet that could look for them is
// through.
const leftoverTime = 100 * time.Millisecond

// steps are the states on the way. While leftovers are only waiting to be removed, there is nothing else to do.
func (l *LB) steps(want *ruleset.Ruleset) []*ruleset.Ruleset {
	steps := ruleset.Steps(l.have, want)
	if last := steps[len(steps)-1]; last.Equal(want) {
		steps[len(steps)-1] = want
	}
	return steps
}

// tidy removes leftovers.
func (l *LB) tidy() {
	if !l.known || l.want == nil || l.have == l.want {
		return
	}
	if err := l.apply(ruleset.Diff(l.have, l.want), l.want); err != nil {
		l.log.Warn("leftovers not removed", "err", err)
		l.known = false
		l.mark(false, true)
		return
	}
	l.have = l.want
	l.count(func(s *state) { s.have = l.want })
}

// differs reports whether more than leftovers has to change.
func differs(have, want *ruleset.Ruleset) bool {
	return have == nil || len(ruleset.Steps(have, want)) > 1 || !ruleset.Diff(have, ruleset.Steps(have, want)[0]).Empty()
}

func prefixes(r *ruleset.Ruleset) []netip.Prefix {
	out := slices.Clone(r.Ranges)
	for _, a := range r.VIPs {
		if !slices.ContainsFunc(r.Ranges, func(p netip.Prefix) bool { return p.Contains(a) }) {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return out
}

// verifyFrom is the number of elements from which a batch is read back: the hot path never lists the table.
const verifyFrom = 2000

func (l *LB) apply(b *ruleset.Batch, want *ruleset.Ruleset) error {
	if b.Empty() {
		return nil
	}
	start := time.Now()
	if err := l.opt.Kernel.Apply(b); err != nil {
		if !errors.Is(err, nft.ErrUncertain) {
			return err
		}
		l.log.Warn("reading the table because an answer was lost", "err", err)
		return l.verify(want)
	}
	took := time.Since(start)
	l.metrics.applied(b, took)
	l.log.Info("rules applied", "added", b.Add.Len(), "deleted", b.Del.Len(), "anew", b.Create, "services", len(want.Services),
		"duration", took)
	l.count(func(s *state) { s.generation++; s.programmed = time.Now() })
	if b.Create || b.Add.Len()+b.Del.Len() >= verifyFrom {
		return l.verify(want)
	}
	return nil
}

func (l *LB) verify(want *ruleset.Ruleset) error {
	got, odd, err := l.opt.Kernel.Read()
	switch {
	case err != nil:
		return err
	case got == nil || !got.Equal(want):
		return fmt.Errorf("verify: the table is not what was applied: %d differences, e.g. %v", len(odd), odd[:min(1, len(odd))])
	}
	return nil
}

// switchHairpin sets the mode of ports that are noted.
func (l *LB) switchHairpin(want *ruleset.Ruleset) error {
	var errs []error
	for _, x := range want.Links {
		if x.Role == ruleset.HairpinPort && !l.opt.Host.Hairpin(x.Name) {
			errs = append(errs, l.opt.Host.SetHairpin(x.Name, true))
		}
	}
	return errors.Join(errs...)
}

// forget ends tracked connections that would go on with what is no longer so.
func (l *LB) forget(have, want *ruleset.Ruleset, r ruleset.Result) error {
	lost := map[string]map[netip.AddrPort]bool{}
	stale := ruleset.StaleAfter(have, want, func(k ruleset.Key, to netip.AddrPort) bool {
		return l.lost(lost, r, k, to)
	})
	if stale.Empty() {
		return nil
	}
	n, err := l.opt.Host.Forget(stale.Match)
	l.count(func(s *state) { s.forgotten += uint64(n) })
	return err
}

// lost reports whether a backend of a service belongs to a task on a lost agent.
func (l *LB) lost(cache map[string]map[netip.AddrPort]bool, r ruleset.Result, k ruleset.Key, to netip.AddrPort) bool {
	if len(cache) == 0 {
		cache[""] = nil
		for _, v := range r.VIPs {
			for _, m := range v.Members {
				if m.State == ruleset.Unreachable && m.Addr.IsValid() {
					for _, a := range v.Addrs {
						id := ruleset.Key{Addr: a, Proto: v.Proto, Port: v.Port}.String()
						if cache[id] == nil {
							cache[id] = map[netip.AddrPort]bool{}
						}
						cache[id][m.Addr] = true
					}
				}
			}
		}
	}
	return cache[k.String()][to]
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
