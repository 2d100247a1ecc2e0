package vip

import (
	"net/netip"
	"slices"
	"time"

	"berth/vip/ruleset"
)

// Listing is the answer of /v2/vips: everything about the VIPs.
type Listing struct {
	VIPs       []Entry           `json:"vips"`
	Problems   []ruleset.Problem `json:"problems"`
	Warnings   []string          `json:"warnings"`
	Generation uint64            `json:"generation"`
	Programmed time.Time         `json:"programmedAt,omitzero"`
	Error      string            `json:"error,omitempty"`
}

// Entry is one VIP.
type Entry struct {
	ID          string    `json:"id"`  // tcp/1.1.1.1:80
	VIP         string    `json:"vip"` // name or address, and port
	Name        string    `json:"name,omitempty"`
	Addresses   []string  `json:"addresses"`
	Protocol    string    `json:"protocol"`
	Port        uint16    `json:"port"`
	Apps        []string  `json:"apps"`
	Connections uint64    `json:"connections"` // since vip began to count
	Backends    []Backend `json:"backends"`
}

// Backend is a task behind a VIP.
type Backend struct {
	App         string `json:"app"`
	Task        string `json:"task"`
	Address     string `json:"address,omitempty"`
	State       string `json:"state"`
	Weight      int    `json:"weight"`
	Local       bool   `json:"local"` // the address is a container's own on this node
	Reason      string `json:"reason,omitempty"`
	Connections uint64 `json:"connections"`
}

// Active counts the backends that get new connections.
func (e *Entry) Active() int {
	n := 0
	for _, b := range e.Backends {
		if b.State == string(ruleset.Active) {
			n++
		}
	}
	return n
}

// List is everything about the VIPs, with connections.
func (l *LB) List(now time.Time) (Listing, error) {
	s := l.view()
	c, err := l.counters(now)
	if err != nil {
		return Listing{}, err
	}
	out := list(s.result, c)
	out.Warnings, out.Generation, out.Programmed, out.Error = s.warnings, s.generation, s.programmed, s.err
	return out, nil
}

// Describe writes a result down for people and machines, without connections.
func Describe(r ruleset.Result) Listing { return list(r, connections{}) }

func list(r ruleset.Result, c connections) Listing {
	out := Listing{VIPs: []Entry{}, Problems: r.Problems}
	for _, v := range r.VIPs {
		out.VIPs = append(out.VIPs, describe(v, c))
	}
	return out
}

func describe(v *ruleset.VIP, c connections) Entry {
	e := Entry{ID: v.ID, VIP: v.HostPort(), Name: v.Name, Protocol: v.Proto.String(), Port: v.Port, Apps: v.Apps, Backends: []Backend{}}
	for _, a := range v.Addrs {
		e.Addresses = append(e.Addresses, a.String())
	}
	for _, s := range v.Services {
		e.Connections += c.services[s.Key]
	}
	for _, m := range v.Members {
		b := Backend{App: m.App, Task: m.Task, State: string(m.State), Weight: m.Weight, Local: m.Local, Reason: m.Reason}
		if m.Addr.IsValid() {
			b.Address = m.Addr.String()
		}
		for _, s := range v.Services {
			b.Connections += c.backends[backend{s.Key, m.Addr}]
		}
		e.Backends = append(e.Backends, b)
	}
	return e
}

// Names are what the names of VIPs resolve to, each sorted. Whoever answers for them has put the rules in force before.
func Names(r ruleset.Result) map[string][]netip.Addr {
	names := map[string][]netip.Addr{}
	for _, v := range r.VIPs {
		for _, a := range v.Addrs {
			if v.Name != "" && !slices.Contains(names[v.Name], a) {
				names[v.Name] = append(names[v.Name], a)
			}
		}
	}
	for _, list := range names {
		slices.SortFunc(list, netip.Addr.Compare)
	}
	return names
}
