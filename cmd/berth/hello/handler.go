package hello

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// identity is who answers.
type identity struct {
	Host    string `json:"host"`
	Task    string `json:"task,omitempty"`
	App     string `json:"app,omitempty"`
	Version string `json:"version,omitempty"`
	Port    string `json:"port"`
}

// whoami reads what Marathon tells a task (marathon-api.md section 6).
func whoami(addr net.Addr, getenv func(string) string) identity {
	host, err := os.Hostname()
	if err != nil {
		host = getenv("HOST")
	}
	_, port, _ := net.SplitHostPort(addr.String())
	return identity{
		Host: host, Task: getenv("MESOS_TASK_ID"), App: getenv("MARATHON_APP_ID"),
		Version: getenv("MARATHON_APP_VERSION"), Port: port,
	}
}

// page is what an answer shows.
type page struct {
	identity
	Request string   `json:"request"`
	Remote  string   `json:"remote"`
	Headers []header `json:"headers"`
}

type header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type handler struct {
	c         *config
	me        identity
	start     time.Time
	unhealthy atomic.Bool
}

func newHandler(c *config, me identity) *handler { return &handler{c: c, me: me, start: time.Now()} }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.URL.Path == "/health" {
		h.health(w)
		return
	}
	if h.c.delay > 0 {
		timer := time.NewTimer(h.c.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	h.answer(w, r)
}

func (h *handler) health(w http.ResponseWriter) {
	if h.unhealthy.Load() || h.c.unhealthyAfter > 0 && time.Since(h.start) >= h.c.unhealthyAfter {
		http.Error(w, "unhealthy", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (h *handler) answer(w http.ResponseWriter, r *http.Request) {
	p := page{
		identity: h.me, Request: r.Method + " " + r.RequestURI + " " + r.Proto, Remote: r.RemoteAddr, Headers: headers(r),
	}
	w.Header().Set("X-Task-Id", h.me.Task)
	w.Header().Set("Vary", "Accept")
	// A client that has gone away gets no answer, and nobody else needs to know.
	switch cmp.Or(h.c.output, accepted(r)) {
	case "json":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(h.c.status)
		_ = json.NewEncoder(w).Encode(p)
	case "html":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(h.c.status)
		_ = htmlPage.Execute(w, p)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(h.c.status)
		_, _ = w.Write([]byte(p.text()))
	}
}

// accepted is html for browsers, which ask for it by name, json for who asks for that, and text for the rest.
func accepted(r *http.Request) string {
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	switch {
	case strings.Contains(accept, "text/html"):
		return "html"
	case strings.Contains(accept, "application/json"):
		return "json"
	}
	return "text"
}

// headers lists the request's headers sorted by name, with Host among them.
func headers(r *http.Request) []header {
	out := []header{{"Host", r.Host}}
	for name, values := range r.Header {
		for _, v := range values {
			out = append(out, header{name, v})
		}
	}
	slices.SortStableFunc(out, func(a, b header) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (p page) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Hello from %s\n\n", p.Host)
	for _, l := range []header{
		{"task", p.Task}, {"app", p.App}, {"version", p.Version}, {"port", p.Port}, {"request", p.Request}, {"from", p.Remote},
	} {
		if l.Value != "" {
			fmt.Fprintf(&b, "%-8s %s\n", l.Name, l.Value)
		}
	}
	b.WriteString("\n")
	for _, h := range p.Headers {
		fmt.Fprintf(&b, "%s: %s\n", h.Name, h.Value)
	}
	return b.String()
}

var htmlPage = template.Must(template.New("hello").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Hello from {{.Host}}</title>
<meta name="viewport" content="width=device-width">
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}
th{text-align:left;padding-right:1.5rem;vertical-align:top;white-space:nowrap}
td{font-family:ui-monospace,monospace;overflow-wrap:anywhere}</style></head>
<body><h1>Hello from {{.Host}}</h1>
<table>
{{with .Task}}<tr><th>Task</th><td>{{.}}</td></tr>
{{end}}{{with .App}}<tr><th>App</th><td>{{.}}</td></tr>
{{end}}{{with .Version}}<tr><th>Version</th><td>{{.}}</td></tr>
{{end}}<tr><th>Port</th><td>{{.Port}}</td></tr>
<tr><th>Request</th><td>{{.Request}}</td></tr>
<tr><th>From</th><td>{{.Remote}}</td></tr>
</table>
<h2>Headers</h2>
<table>
{{range .Headers}}<tr><th>{{.Name}}</th><td>{{.Value}}</td></tr>
{{end}}</table></body></html>
`))
