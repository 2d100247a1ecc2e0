package mlb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"berth/mlb/model"
	"berth/mlb/render"
)

// Admin is the handler behind HAProxy's statistics port (marathon-lb.md section 16) and on mlb's own listener.
func (l *LB) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/_haproxy_getconfig", func(w http.ResponseWriter, _ *http.Request) {
		plain(w, redact(l.opt.Proxy.Config()))
	})
	mux.HandleFunc("/_haproxy_getvhostmap", l.mapFile(render.DomainMap))
	mux.HandleFunc("/_haproxy_getappmap", l.mapFile(render.AppMap))
	mux.HandleFunc("/_haproxy_getpids", l.pids)
	mux.HandleFunc("/_mlb_signal/hup", l.signal("SIGHUP", l.Resync))
	mux.HandleFunc("/_mlb_signal/usr1", l.signal("SIGUSR1", l.Reload))
	mux.HandleFunc("/_mlb_problems", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, shown(l.Problems())) })
	mux.HandleFunc("/_mlb_state", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, l.Status()) })
	mux.Handle("/_mlb_metrics", l.metrics.handler()) // on the statistics port /metrics is HAProxy's
	mux.Handle("/metrics", l.metrics.handler())
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, []byte("ok\n")) })
	mux.HandleFunc("/readyz", l.readyz)
	return mux
}

func plain(w http.ResponseWriter, text []byte) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text)
}

func writeJSON(w http.ResponseWriter, v any) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(data, '\n'))
}

// mapFile shows a map as it is on disk; one that is missing is empty.
func (l *LB) mapFile(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		data, err := os.ReadFile(filepath.Join(l.opt.Render.MapDir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			http.Error(w, "the map cannot be read", http.StatusInternalServerError)
			return
		}
		plain(w, data)
	}
}

// pids lists HAProxy's processes, separated by blanks and without a line break: two while nothing is draining.
func (l *LB) pids(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	procs, err := l.opt.Proxy.Procs(ctx)
	for err != nil && ctx.Err() == nil { // the master does not answer while it starts itself anew at a reload
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
			procs, err = l.opt.Proxy.Procs(ctx)
		}
	}
	if err != nil {
		http.Error(w, "haproxy does not answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	var list []string
	for _, pid := range procs.PIDs() {
		list = append(list, strconv.Itoa(pid))
	}
	plain(w, []byte(strings.Join(list, " ")))
}

// signal does at once what marathon-lb did when the signal arrived.
func (l *LB) signal(name string, do func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		if err := do(ctx); err != nil {
			http.Error(w, fmt.Sprintf("%s: %v", name, err), http.StatusInternalServerError)
			return
		}
		plain(w, []byte("Sent "+name+" signal to mlb\n"))
	}
}

func (l *LB) readyz(w http.ResponseWriter, _ *http.Request) {
	if s := l.Status(); !s.Ready {
		http.Error(w, s.NotReady, http.StatusServiceUnavailable)
		return
	}
	plain(w, []byte("ok\n"))
}

// problem is a model.Problem as JSON.
type problem struct {
	Severity string `json:"severity"`
	App      string `json:"app,omitempty"`
	Field    string `json:"field,omitempty"`
	Value    string `json:"value,omitempty"`
	Reason   string `json:"reason"`
}

func shown(list []model.Problem) any {
	all := make([]problem, 0, len(list))
	for _, p := range list {
		all = append(all, problem{p.Severity, p.App, p.Field, p.Value, p.Reason})
	}
	return map[string]any{"problems": all}
}

// ServeAdmin answers on the listener until ctx ends.
func (l *LB) ServeAdmin(ctx context.Context, on net.Listener) error {
	s := &http.Server{
		Handler: l.Admin(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(on); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admin server: %w", err)
	}
	return nil
}
