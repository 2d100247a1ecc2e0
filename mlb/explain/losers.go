package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"berth/mlb/model"
)

// maxLosers bounds the list in an answer.
const maxLosers = 50

// losers lists the services that have the host as well and did not get the request, with the reason.
func (w *walk) losers() {
	winner := w.services[w.a.Backend]
	for _, s := range w.in.Model.Services {
		if s.Name == w.a.Backend || len(w.a.Lost) == maxLosers {
			continue
		}
		if host, ok := match(s, w.req.Host); ok {
			rule := host + strings.Join(s.Paths, " ")
			w.a.Lost = append(w.a.Lost, Loser{App: s.App, Backend: s.Name, Rule: rule, Why: w.whyNot(s, host, winner)})
		}
	}
}

// match is the service's most exact host for a name.
func match(s *model.Service, name string) (string, bool) {
	best := ""
	for _, h := range s.VHosts {
		if covers(h, name) && (best == "" || !wild(h) || wild(best) && len(h) > len(best)) {
			best = h
		}
	}
	return best, best != ""
}

func wild(host string) bool { return strings.HasPrefix(host, "*.") }

// whyNot compares by the order of precedence of model.Model.
func (w *walk) whyNot(s *model.Service, host string, winner *model.Service) string {
	switch {
	case w.services[s.Name] == nil:
		return "it is left out, see /_mlb_problems"
	case !underPath(s, w.req.Path):
		return "its path does not match"
	case winner == nil:
		return "its rule did not take the request"
	}
	won, _ := match(winner, w.req.Host)
	mine, theirs := pathLength(s, w.req.Path), pathLength(winner, w.req.Path)
	switch {
	case wild(host) && !wild(won):
		return "an exact host goes before a wildcard"
	case s.Weight < winner.Weight && (host == won || winner.WeightSet):
		return fmt.Sprintf("its weight %d is less than %d", s.Weight, winner.Weight)
	case wild(host) && wild(won) && len(host) < len(won):
		return "the wildcard of " + won + " is more exact"
	case mine < theirs:
		return "its path is shorter"
	case s.Weight == winner.Weight && cmp.Compare(winner.Created, s.Created) != 0:
		return "the other app is older"
	}
	return "the other app's id comes first"
}

// pathLength is that of the longest of the service's paths that the path is below.
func pathLength(s *model.Service, path string) int {
	n := 0
	for _, p := range s.Paths {
		if underPath(&model.Service{Paths: []string{p}, PathFlags: s.PathFlags}, path) {
			n = max(n, len(p))
		}
	}
	return n
}

// servers lists the servers of a service, then tasks of its apps that are none, with the reason.
func (w *walk) servers(s *model.Service) []Server {
	var list []Server
	taken := make(map[string]bool)
	for _, sv := range s.Servers {
		gets := "requests"
		switch {
		case sv.Draining:
			gets = "no new requests: it is about to stop"
		case sv.Weighted && sv.Weight == 0:
			gets = "no new requests: its weight is 0"
		case sv.Weighted:
			gets = fmt.Sprintf("requests, with weight %d", sv.Weight)
		}
		taken[sv.Task] = true
		list = append(list, Server{Name: sv.Name, Task: sv.Task, Address: fmt.Sprintf("%s:%d", sv.IP, sv.Port), Gets: gets})
	}
	for _, a := range w.in.Apps {
		if a == nil || a.ID != s.App && "/"+strings.TrimPrefix(a.Labels["HAPROXY_DEPLOYMENT_GROUP"], "/") != s.App {
			continue
		}
		for i := range a.Tasks {
			if t := &a.Tasks[i]; !taken[t.ID] {
				list = append(list, Server{Task: t.ID, Gets: "nothing: " + model.WhyNoServer(a, t, w.in.HealthCheck)})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Server) int { return cmp.Compare(b.Name, a.Name) })
	slices.Reverse(list)
	return list
}
