package rest

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"berth/dnsd"
	"berth/dnsd/forward"
	"berth/dnsd/server"
	"berth/dnsd/zone"
)

// Daemon is what the API shows; *dnsd.Daemon is one.
type Daemon interface {
	Zone() *zone.Zone
	Status() dnsd.Status
	Frameworks(main string) []dnsd.FrameworkApps
	Problems() []zone.Problem
	Next(ctx context.Context, serial uint32) (*zone.Zone, error)
}

// Options of the API.
type Options struct {
	Daemon  Daemon
	Server  func() server.Stats
	Forward func() forward.Stats // nil if nothing is forwarded
	Zone    zone.Options
	Version string
	URL     string // of the project, in /v1/version
	Config  any    // shown by /v1/config, without secrets
	// Enumeration enables /v1/enumerate, /v1/axfr and /v1/records, which list everything.
	Enumeration bool
	RefreshSec  int // shown by /v1/axfr
	Log         *slog.Logger
}

type handler struct {
	o       Options
	log     *slog.Logger
	streams chan struct{} // a token for each watch
}

// maxStreams bounds watches at a time.
const maxStreams = 256

// New returns the API.
func New(o Options) http.Handler {
	h := &handler{o: o, log: o.Log, streams: make(chan struct{}, maxStreams)}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(&collector{h: h})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/version", h.version)
	mux.HandleFunc("GET /v1/config", h.config)
	mux.HandleFunc("GET /v1/hosts/{host}", h.loaded(h.hosts))
	mux.HandleFunc("GET /v1/hosts/{host}/ports", h.loaded(h.ports))
	mux.HandleFunc("GET /v1/services/{service}", h.loaded(h.services))
	mux.HandleFunc("GET /v2/hosts/{host}", h.loaded(h.hostsStrict))
	mux.HandleFunc("GET /v2/services/{service}", h.loaded(h.servicesStrict))
	mux.HandleFunc("GET /v2/watch", h.watch)
	mux.HandleFunc("GET /v2/problems", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, h.problems()) })
	mux.HandleFunc("GET /v2/status", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, h.status()) })
	if o.Enumeration {
		mux.HandleFunc("GET /v1/enumerate", h.loaded(h.enumerate))
		mux.HandleFunc("GET /v1/axfr", h.loaded(h.axfr))
		mux.HandleFunc("GET /v1/records", h.loaded(h.records))
	}
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	for _, path := range []string{"GET /healthz", "GET /health"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, map[string]bool{"ok": true}) })
	}
	for _, path := range []string{"GET /readyz", "GET /ready"} {
		mux.HandleFunc(path, h.ready)
	}
	return mux
}

// loaded answers 503 instead of "no such name" as long as that cannot be known.
func (h *handler) loaded(f func(http.ResponseWriter, *http.Request, *zone.Zone)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		z := h.o.Daemon.Zone()
		switch st := h.o.Daemon.Status(); {
		case z == nil || !st.Loaded:
			writeError(w, http.StatusServiceUnavailable, "no apps have been read yet")
			return
		case st.Expired:
			writeError(w, http.StatusServiceUnavailable, "the source has not answered for too long")
			return
		}
		f(w, r, z)
	}
}

func (h *handler) version(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, 200, map[string]string{"Service": "Mesos-DNS", "Version": h.o.Version, "URL": h.o.URL})
}

func (h *handler) config(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, h.o.Config) }

// ready is 200 once the zone is there, also when it is stale: old answers are better than none, and whoever asks is told. It
// is 503 again when what is known has expired, as then there are no answers.
func (h *handler) ready(w http.ResponseWriter, _ *http.Request) {
	st := h.o.Daemon.Status()
	code := 200
	if !st.Loaded || st.Expired {
		code = http.StatusServiceUnavailable
	}
	writeJSON(w, code, map[string]any{"ready": code == 200, "stale": st.Stale, "expired": st.Expired, "serial": st.Serial, "time": st.Time, "source": st.Source})
}

func (h *handler) problems() []zone.Problem {
	list := h.o.Daemon.Problems()
	if list == nil {
		list = []zone.Problem{}
	}
	return list
}

func (h *handler) status() any {
	out := struct {
		dnsd.Status
		Server  server.Stats   `json:"server"`
		Forward *forward.Stats `json:"forward,omitempty"`
	}{Status: h.o.Daemon.Status(), Server: h.o.Server()}
	if h.o.Forward != nil {
		f := h.o.Forward()
		out.Forward = &f
	}
	return out
}

// name is a name in a path as zones know it.
func name(r *http.Request, key string) string {
	return strings.ToLower(strings.TrimSuffix(r.PathValue(key), "."))
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}

func writeError(w http.ResponseWriter, code int, message string) {
	writeJSON(w, code, map[string]string{"message": message})
}
