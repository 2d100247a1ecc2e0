package mlb

import (
	"context"
	"errors"
	"reflect"
	"strings"

	"berth/mlb/haproxy"
	"berth/mlb/model"
)

// verdict is why an app is set aside, and what it asked for then. It stands until the app asks for something else, or until
// everything is read anew.
type verdict struct {
	services []*model.Service
	reason   string
}

func (l *LB) guiltyApps() map[string]bool {
	set := make(map[string]bool, len(l.guilty))
	for app := range l.guilty {
		set[app] = true
	}
	return set
}

// acquit gives apps another chance that changed, that are gone, or whose case is old: an address that was in use may be
// free by now.
func (l *LB) acquit(a *attempt) {
	if len(l.guilty) == 0 {
		return
	}
	now := servicesByApp(a.built)
	again := a.snapshot.Full && a.snapshot != l.tried
	for app, v := range l.guilty {
		if again || !sameRequest(v.services, now[app]) {
			delete(l.guilty, app)
		}
	}
}

func servicesByApp(m *model.Model) map[string][]*model.Service {
	by := map[string][]*model.Service{}
	for _, s := range m.Services {
		by[s.App] = append(by[s.App], s)
	}
	return by
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
// HAProxy's messages mostly name a section, and with it the app. Otherwise the apps that changed since the last success
// are bisected.
func (l *LB) convict(ctx context.Context, a *attempt, set *templateSet, refused *haproxy.CheckError) (int, error) {
	reasons := l.named(a, refused)
	if len(reasons) == 0 {
		var err error
		if reasons, err = l.search(ctx, a, set); err != nil {
			return 0, err
		}
	}
	by := servicesByApp(a.built)
	for app, reason := range reasons {
		l.guilty[app] = verdict{services: by[app], reason: reason}
		l.log.Warn("app refused by haproxy", "app", app, "reason", reason)
	}
	return len(reasons), nil
}

// named reads the apps out of the messages.
func (l *LB) named(a *attempt, refused *haproxy.CheckError) map[string]string {
	apps := map[string]string{}
	for _, s := range a.model.Services {
		apps[s.Name], apps["user_"+s.Name] = s.App, s.App
	}
	found := map[string]string{}
	for _, r := range refused.Reasons {
		app, ok := apps[r.Section]
		if _, known := l.guilty[app]; ok && !known && found[app] == "" {
			found[app] = strings.TrimSpace(r.Message)
		}
	}
	return found
}

// search bisects.
func (l *LB) search(ctx context.Context, a *attempt, set *templateSet) (map[string]string, error) {
	base := l.guiltyApps()
	var suspects []string
	for _, app := range changedApps(l.state.Model, a.built) {
		if !base[app] {
			suspects = append(suspects, app)
		}
	}
	check := func(ctx context.Context, without map[string]bool) error {
		aside := map[string]bool{}
		for app := range base {
			aside[app] = true
		}
		for app := range without {
			aside[app] = true
		}
		text, _ := set.renderer.Render(substitute(a.built, l.state.Model, aside))
		return l.opt.Proxy.Check(ctx, *text, set.sections(text))
	}
	accept := func(ctx context.Context, without map[string]bool) (bool, error) {
		err := check(ctx, without)
		var refused *haproxy.CheckError
		if err == nil || errors.As(err, &refused) {
			return err == nil, nil
		}
		return false, err
	}
	all := map[string]bool{}
	for _, s := range suspects {
		all[s] = true
	}
	if ok, err := accept(ctx, all); err != nil || !ok {
		return nil, err // it is none of them
	}
	guilty, err := bisect(ctx, suspects, accept)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for app := range guilty {
		delete(guilty, app)
		if err := check(ctx, guilty); err != nil {
			found[app] = err.Error()
		}
		guilty[app] = true
	}
	return found, nil
}

// verdicts words what was set aside.
func (l *LB) verdicts() []model.Problem {
	kept := map[string]bool{}
	if l.state.Model != nil {
		for _, s := range l.state.Model.Services {
			kept[s.App] = true
		}
	}
	var list []model.Problem
	for app, v := range l.guilty {
		outcome := "; the app is left out"
		if kept[app] {
			outcome = "; the app keeps its last good settings"
		}
		list = append(list, model.Problem{App: app, Severity: model.SeverityError,
			Reason: model.Shorten("HAProxy refuses it: "+v.reason) + outcome})
	}
	return list
}
