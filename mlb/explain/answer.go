package explain

import (
	"fmt"
	"strings"
)

// Answer is what becomes of a request.
type Answer struct {
	Request string `json:"request"`           // as it was understood
	Entry   string `json:"entry"`             // port it comes in by, in words
	Rule    string `json:"rule,omitempty"`    // that takes it
	App     string `json:"app,omitempty"`     // of the backend
	Backend string `json:"backend,omitempty"` // that gets it
	// Status is what HAProxy answers itself; 0 when a server answers.
	Status   int    `json:"status,omitempty"`
	Location string `json:"location,omitempty"` // of a redirect
	Why      string `json:"why,omitempty"`      // of the status

	Servers []Server `json:"servers,omitempty"`
	Lost    []Loser  `json:"lost,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

// Server is a task of the backend's app and what it gets.
type Server struct {
	Name    string `json:"name,omitempty"` // in HAProxy; "" when it is no server
	Task    string `json:"task"`
	Address string `json:"address,omitempty"`
	Gets    string `json:"gets"` // "requests", or why it gets none
}

// Loser is a service that asked for the host as well.
type Loser struct {
	App     string `json:"app"`
	Backend string `json:"backend"`
	Rule    string `json:"rule"`
	Why     string `json:"why"`
}

// String is the answer for a terminal.
func (a Answer) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "request   %s\nentry     %s\n", a.Request, a.Entry)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-9s %s\n", name, value)
		}
	}
	line("rule", a.Rule)
	line("app", a.App)
	line("backend", a.Backend)
	if a.Status != 0 {
		text := fmt.Sprint(a.Status)
		if a.Location != "" {
			text += " to " + a.Location
		}
		line("answer", text+": "+a.Why)
	} else {
		line("answer", "that of a server")
	}
	for _, s := range a.Servers {
		line("server", strings.Join(strings.Fields(s.Name+" "+s.Address+" task "+s.Task), " ")+": "+s.Gets)
	}
	for _, l := range a.Lost {
		line("not", fmt.Sprintf("%s (%s, %s): %s", l.Backend, l.App, l.Rule, l.Why))
	}
	for _, n := range a.Notes {
		line("note", n)
	}
	return b.String()
}
