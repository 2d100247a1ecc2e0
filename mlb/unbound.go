package mlb

import (
	"fmt"

	"berth/mlb/haproxy"
	"berth/mlb/model"
)

// unbound is a service whose port is held by another process. Its backend and its routes go on; only the port is not opened,
// until everything is read anew or the app asks for something else.
type unbound struct {
	asked, given *model.Service // with and without the port
	reason       string
}

// give is the service without its port; equal requests give the same pointer.
func (u *unbound) give(s *model.Service) *model.Service {
	if u.asked != s {
		copied := *s
		copied.Unbound = true
		u.asked, u.given = s, &copied
	}
	return u.given
}

// withoutPorts returns m with the services whose ports are held closed.
func (l *LB) withoutPorts(m *model.Model) *model.Model {
	if len(l.held) == 0 {
		return m
	}
	next := *m
	next.Services = make([]*model.Service, len(m.Services))
	for i, s := range m.Services {
		if u, ok := l.held[s.Name]; ok {
			s = u.give(s)
		}
		next.Services[i] = s
	}
	return &next
}

// closePorts takes note of the services whose ports are in use, and returns how many are new.
func (l *LB) closePorts(m *model.Model, refused *haproxy.CheckError) int {
	n := 0
	for _, r := range refused.Reasons {
		if !r.InUse || l.held[r.Section] != nil {
			continue
		}
		for _, s := range m.Services {
			if s.Name == r.Section && !s.Unbound {
				l.held[s.Name] = &unbound{reason: r.Message}
				n++
			}
		}
	}
	return n
}

// forgetPorts gives services another chance: all of them, or those that are gone or have other ports now.
func (l *LB) forgetPorts(m *model.Model, all bool) {
	if len(l.held) == 0 {
		return
	}
	if all {
		clear(l.held)
		return
	}
	there := map[string]bool{}
	for _, s := range m.Services {
		there[s.Name] = true
	}
	for name := range l.held {
		if !there[name] {
			delete(l.held, name)
		}
	}
}

// heldPorts words what was closed.
func (l *LB) heldPorts() []model.Problem {
	var list []model.Problem
	for name, u := range l.held {
		p := model.Problem{Reason: u.reason + "; the port is not opened", Severity: model.SeverityError}
		if u.asked != nil {
			p.App, p.Value = u.asked.App, fmt.Sprint(u.asked.Port)
			p.Field = fmt.Sprintf("port %d", u.asked.Index)
		} else {
			p.Field = name
		}
		list = append(list, p)
	}
	return list
}
