package mlb

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/mlb/render"
)

// verdict is why an app is set aside, and what it asked for then. It stands until the app asks for something else, or until
// everything is read anew.
type verdict struct {
	services []*model.Service
	reason   string
	slow     bool // HAProxy came to no verdict on it in time
}

func (l *LB) guiltyApps() map[string]bool {
	set := make(map[string]bool, len(l.guilty))
	for app := range l.guilty {
		set[app] = true
	}
	return set
}

// acquit gives apps another chance that changed, that are gone, or whose case is old: an address that was in use may be
// free by now. A text for which HAProxy took for ever would hold everybody up once more, so it has to change.
func (l *LB) acquit(a *attempt) {
	again := a.snapshot.Full && a.snapshot != l.tried
	l.forgetPorts(a.built, again)
	if len(l.guilty) == 0 {
		return
	}
	for app, v := range l.guilty {
		if again && !v.slow || !sameRequest(v.services, servicesOf(a.built, app)) {
			delete(l.guilty, app)
		}
	}
}

// servicesOf are an app's services, which lie side by side: a model that was built is sorted by app.
func servicesOf(m *model.Model, app string) []*model.Service {
	from, _ := slices.BinarySearchFunc(m.Services, app, func(s *model.Service, app string) int { return strings.Compare(s.App, app) })
	to := from
	for to < len(m.Services) && m.Services[to].App == app {
		to++
	}
	return m.Services[from:to]
}

// sameRequest compares services apart from their servers.
func sameRequest(a, b []*model.Service) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := *a[i], *b[i]
		x.Servers, y.Servers = nil, nil
		if !reflect.DeepEqual(x, y) {
			return false
		}
	}
	return true
}

// convict finds the apps because of which HAProxy refuses an attempt and sets them aside; it returns how many were found.
func (l *LB) convict(ctx context.Context, a *attempt, set *templateSet, refused *haproxy.CheckError) (int, error) {
	if n := l.closePorts(a.model, refused); n > 0 {
		return n, nil
	}
	c := &court{
		built: a.built, last: l.state.Model, guilty: l.guiltyApps(),
		render: func(m *model.Model) *render.Output { out, _ := set.renderer.Render(l.withoutPorts(m)); return out },
		check: func(ctx context.Context, out *render.Output) error {
			return l.opt.Proxy.Check(ctx, *out, set.sections(out))
		},
	}
	found, err := c.judge(ctx, refused)
	if err != nil {
		return 0, err
	}
	for app, reason := range found {
		l.guilty[app] = verdict{services: servicesOf(a.built, app), reason: reason, slow: refused.NoVerdict}
	}
	return len(found), nil
}

// verdicts words what was set aside.
func (l *LB) verdicts() []model.Problem {
	var list []model.Problem
	for app, v := range l.guilty {
		outcome := "; the app is left out"
		if l.state.Model != nil && len(servicesOf(l.state.Model, app)) > 0 {
			outcome = "; the app keeps its last good settings"
		}
		list = append(list, model.Problem{App: app, Severity: model.SeverityError,
			Reason: model.Shorten("HAProxy refuses it: "+v.reason) + outcome})
	}
	return list
}
