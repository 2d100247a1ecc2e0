package vip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"berth/vip/nft"
	"berth/vip/ruleset"
)

// enforce applies the difference: routes that are not wanted go first, then the rules change in one transaction, then new
// routes come, and last tracked connections that would be wrong are forgotten. A failure of routes is told by itself: the
// rules are in force.
func (l *LB) enforce(r ruleset.Result, compared bool) (routeErr, err error) {
	have, want := l.have, ruleset.Settle(l.have, r.Ruleset)
	routes := prefixes(want)
	routeErr = l.drop(routes)
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

// drop removes the routes that are not wanted; for those that have to stay for now it comes back.
func (l *LB) drop(want []netip.Prefix) error {
	again, err := l.opt.Host.DropRoutes(want)
	l.linger.Stop()
	if again > 0 {
		l.linger.Reset(again)
	}
	return err
}

// dropRoutes looks after routes that had to stay.
func (l *LB) dropRoutes() {
	if l.want == nil {
		return
	}
	if err := l.drop(prefixes(l.want)); err != nil {
		l.log.Warn("routes not removed", "err", err)
	}
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

const (
	// verifyFrom is the number of elements from which a batch is read back: the hot path never lists the table.
	verifyFrom = 2000
	// verifyAfter is when. The kernel has said that the batch is in force; nobody waits for the second look, which takes
	// longer than the batch: to list a set it walks from its beginning for every piece of the answer.
	verifyAfter = 2 * time.Second
)

func (l *LB) apply(b *ruleset.Batch, want *ruleset.Ruleset) error {
	if b.Empty() {
		return nil
	}
	if l.have != nil && len(l.have.Services) <= tallyFirst {
		if _, err := l.recount(time.Now()); err != nil {
			l.log.Debug("counters not read before a change", "err", err)
		}
	}
	start := time.Now()
	over := l.tally.changing()
	err := l.opt.Kernel.Apply(b)
	over(b)
	if err != nil {
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
		l.second.Reset(verifyAfter)
	}
	return nil
}

// verify is for a batch of which the answer was lost.
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
