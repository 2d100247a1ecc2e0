package model

import (
	"slices"
	"strconv"
)

func itoa(n int) string { return strconv.Itoa(n) }

// settleNames leaves out services whose backend would be called like that of an older app: /a/b and /a_b do that.
func settleNames(services []*Service) ([]*Service, []Problem) {
	byName := make(map[string]*Service, len(services))
	for _, s := range services {
		if was := byName[s.Name]; was == nil || Seniority(s, was) < 0 {
			byName[s.Name] = s
		}
	}
	if len(byName) == len(services) {
		return services, nil
	}
	var found []Problem
	kept := make([]*Service, 0, len(byName))
	for _, s := range services {
		if winner := byName[s.Name]; winner != s {
			p := problems{app: s.App}
			p.errorf("servicePort", itoa(s.Port), "the backend would be called %s, as that of the older app %s; "+
				"the port is left out", s.Name, Shorten(winner.App))
			found = append(found, p.list...)
			continue
		}
		kept = append(kept, s)
	}
	return kept, found
}

// settlePorts finds the services that cannot have a frontend of their own, because the load balancer itself or an older
// app has the port.
func settlePorts(services []*Service, reserved map[int]string) (unbound map[*Service]bool, found []Problem) {
	unbound = make(map[*Service]bool)
	first := make(map[int]*Service, len(services))
	shared := make(map[int][]*Service)
	refuse := func(s *Service, format string, args ...any) {
		p := problems{app: s.App}
		p.errorf("servicePort", itoa(s.Port), format, args...)
		found = append(found, p.list...)
		unbound[s] = true
	}
	for _, s := range services {
		if s.Unbound {
			continue
		}
		if use, ok := reserved[s.Port]; ok {
			refuse(s, "the load balancer itself uses this port (%s); the port is not opened for the app", use)
			continue
		}
		if was := first[s.Port]; was == nil {
			first[s.Port] = s
		} else if shared[s.Port] == nil {
			shared[s.Port] = []*Service{was, s}
		} else {
			shared[s.Port] = append(shared[s.Port], s)
		}
	}
	for _, s := range services {
		list := shared[s.Port]
		if list == nil {
			continue
		}
		delete(shared, s.Port)
		slices.SortStableFunc(list, Seniority)
		for i, s := range list {
			at := slices.IndexFunc(list[:i], func(o *Service) bool { return !unbound[o] && overlap(o, s) })
			if at >= 0 {
				refuse(s, "the older app %s has this port; the port is not opened for this app", Shorten(list[at].App))
			}
		}
	}
	return unbound, found
}

func overlap(a, b *Service) bool {
	return a.BindAddr == b.BindAddr || anyAddress(a.BindAddr) || anyAddress(b.BindAddr)
}

func anyAddress(s string) bool { return s == "*" || s == "0.0.0.0" || s == "[::]" }
