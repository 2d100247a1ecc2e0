package mlb

import (
	"cmp"
	"slices"
	"time"

	"berth/mlb/explain"
	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/mlb/plan"
)

// Status is what an LB tells about itself: /_mlb_state.
type Status struct {
	Ready    bool   `json:"ready"`
	NotReady string `json:"notReady,omitempty"` // why not

	Index       uint64    `json:"index"` // revision that HAProxy embodies; 0 with a real Marathon
	Apps        int       `json:"apps"`
	Services    int       `json:"services"`
	Servers     int       `json:"servers"`
	LastSuccess time.Time `json:"lastSuccess"`
	Failing     bool      `json:"failing"` // the last try did not succeed
	LastError   string    `json:"lastError,omitempty"`
	LastErrorAt time.Time `json:"lastErrorAt"`

	LastChange *Change           `json:"lastChange,omitempty"` // the last one that HAProxy noticed
	Changes    map[string]uint64 `json:"changes"`              // by rung
	Failures   uint64            `json:"failures"`
	Restarts   uint64            `json:"restarts"` // of HAProxy, because it had died

	Spare *SpareStatus `json:"spare,omitempty"` // what is kept in store

	Watch WatchStatus `json:"watch"`

	problems         []model.Problem
	templateProblems []model.Problem
	certProblems     []model.Problem
}

// Change is one applied plan.
type Change struct {
	At       time.Time `json:"at"`
	Rung     string    `json:"rung"`
	Reasons  []string  `json:"reasons,omitempty"`
	Commands []string  `json:"commands,omitempty"` // the first hundred
	Millis   float64   `json:"millis"`
}

// WatchStatus is the state of the watch.
type WatchStatus struct {
	Connected  bool      `json:"connected"`
	Source     string    `json:"source"`
	LastSync   time.Time `json:"lastSync"`
	Reconnects uint64    `json:"reconnects"`
	FromDisk   bool      `json:"fromDisk"`
	Suspicious bool      `json:"suspicious"`
	LastError  string    `json:"lastError,omitempty"`
}

// Status returns the present state.
func (l *LB) Status() Status {
	l.mu.Lock()
	s := l.status
	changes := map[string]uint64{}
	for r, n := range l.status.Changes {
		changes[r] = n
	}
	l.mu.Unlock()
	s.Changes = changes
	s.Restarts = l.opt.Proxy.Restarts()
	w := l.opt.Source.Status()
	s.Watch = WatchStatus{Connected: w.Connected, Source: w.Source, LastSync: w.LastSync, Reconnects: w.Reconnects,
		FromDisk: w.FromDisk, Suspicious: w.Suspicious, LastError: w.LastError}
	s.NotReady = l.notReady(s)
	s.Ready = s.NotReady == ""
	return s
}

func (l *LB) notReady(s Status) string {
	switch {
	case s.Failing:
		return "the last change was not applied: " + s.LastError
	case s.LastSuccess.IsZero():
		return "nothing has been applied yet"
	case s.Watch.LastSync.IsZero():
		return "no source has answered yet" + because(s.Watch)
	case time.Since(s.Watch.LastSync) > l.opt.StaleAfter:
		return "the state was last known to be current at " + s.Watch.LastSync.UTC().Format(time.RFC3339) + because(s.Watch)
	}
	return ""
}

// because is what keeps the watch from being current, as far as it is known.
func because(w WatchStatus) string {
	switch {
	case w.Suspicious:
		return ": most apps were gone at once, which is believed when it is seen a second time"
	case w.LastError != "":
		return ": " + w.LastError
	}
	return ""
}

// Problems lists what is left out or ignored at present, sorted by app and field.
func (l *LB) Problems() []model.Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Concat(l.status.templateProblems, l.status.certProblems, l.status.problems)
}

// publish makes the problems of an attempt visible, and logs those that are new.
func (l *LB) publish(a *attempt) {
	list := slices.Concat(l.verdicts(), l.heldPorts(), a.problems)
	slices.SortFunc(list, func(x, y model.Problem) int {
		return cmp.Or(cmp.Compare(x.App, y.App), cmp.Compare(x.Field, y.Field), cmp.Compare(x.Reason, y.Reason))
	})
	list = slices.Compact(list)
	for i := range list { // texts of apps may hold passwords
		list[i].Value, list[i].Reason = string(redact([]byte(list[i].Value))), string(redact([]byte(list[i].Reason)))
	}
	l.mu.Lock()
	before := make(map[model.Problem]bool, len(l.status.problems))
	for _, p := range l.status.problems {
		before[p] = true
	}
	l.status.problems = list
	l.mu.Unlock()
	for _, p := range list {
		if !before[p] {
			l.log.Warn("problem", "severity", p.Severity, "app", p.App, "field", p.Field, "value", p.Value, "reason", p.Reason)
		}
	}
}

// succeeded takes an applied attempt into the status.
func (l *LB) succeeded(a *attempt, p plan.Plan, r haproxy.Result, took time.Duration) {
	const shown = 100
	servers := 0
	for _, s := range a.model.Services {
		servers += len(s.Servers)
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.opt.Render.WithDefaults()
	l.view = explain.Input{
		Model: a.model, Output: a.out, Apps: a.snapshot.Apps, HTTPPort: o.HTTPPort, HTTPSPort: o.HTTPSPort,
		StatsPort: o.StatsPort, AppIDPort: o.AppIDPort, NoHTTP: o.NoHTTP, HealthCheck: l.opt.Model.HealthCheck,
	}
	s := &l.status
	s.Index, s.Apps, s.Services, s.Servers = a.snapshot.Index, len(a.snapshot.Apps), len(a.model.Services), servers
	s.LastSuccess, s.Failing, s.LastError = now, false, ""
	if l.behind != nil {
		s.Failing, s.LastError = true, l.behind.Error()
	}
	s.Spare = l.stock.status()
	if s.Changes == nil {
		s.Changes = map[string]uint64{}
	}
	s.Changes[r.Rung.String()]++
	if r.Rung == plan.None {
		return
	}
	c := &Change{At: now, Rung: r.Rung.String(), Reasons: r.Reasons, Millis: float64(took.Microseconds()) / 1000}
	for _, command := range p.Commands[:min(len(p.Commands), shown)] {
		c.Commands = append(c.Commands, command.Line)
	}
	s.LastChange = c
}
