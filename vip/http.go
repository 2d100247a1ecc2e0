package vip

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"berth/vip/ruleset"
)

// Handler answers the status requests (vip.md section 11).
func (l *LB) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/vips", l.v1)
	mux.HandleFunc("GET /v2/vips", l.v2)
	mux.HandleFunc("GET /v2/vips/{id...}", l.v2One)
	mux.HandleFunc("GET /v2/names", l.names)
	alive := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) }
	mux.HandleFunc("GET /health", alive)
	mux.HandleFunc("GET /healthz", alive)
	mux.HandleFunc("GET /ready", l.ready)
	mux.HandleFunc("GET /readyz", l.ready)
	mux.Handle("GET /metrics", l.metrics.handler())
	return mux
}

func (l *LB) view() state {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

type v1Backend struct {
	IP   string `json:"ip"`
	Port uint16 `json:"port"`
}

type v1VIP struct {
	VIP      string      `json:"vip"`
	Protocol string      `json:"protocol"`
	Backend  []v1Backend `json:"backend"`
}

// v1 answers as DC/OS does: the backends that get new connections.
func (l *LB) v1(w http.ResponseWriter, r *http.Request) {
	list := []v1VIP{}
	for _, v := range l.view().result.VIPs {
		x := v1VIP{v.HostPort(), v.Proto.String(), []v1Backend{}}
		for _, s := range v.Services {
			for _, a := range slices.Compact(slices.Clone(s.Slots)) {
				x.Backend = append(x.Backend, v1Backend{a.Addr().String(), a.Port()})
			}
		}
		list = append(list, x)
	}
	reply(w, r, list)
}

func (l *LB) v2(w http.ResponseWriter, r *http.Request) {
	list, err := l.List(time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, r, list)
}

func (l *LB) v2One(w http.ResponseWriter, r *http.Request) {
	list, err := l.List(time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	id := r.PathValue("id")
	for _, v := range list.VIPs {
		if v.ID == id {
			reply(w, r, v)
			return
		}
	}
	http.Error(w, fmt.Sprintf("VIP %q does not exist; expected an id such as tcp/1.1.1.1:80", id), http.StatusNotFound)
}

// names tells what the names of VIPs resolve to, once the rules for them are in force.
func (l *LB) names(w http.ResponseWriter, r *http.Request) {
	reply(w, r, map[string]any{"names": Names(l.view().result)})
}

func (l *LB) ready(w http.ResponseWriter, _ *http.Request) {
	s := l.view()
	switch {
	case s.have == nil:
		http.Error(w, "no state has been applied yet", http.StatusServiceUnavailable)
	case s.err != "":
		http.Error(w, "the last change is not in force: "+s.err, http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"generation": s.generation, "index": s.index,
			"ageSeconds": time.Since(l.opt.Source.Status().LastSync).Round(time.Second).Seconds()})
	}
}

// Ready reports, by its error, why the rules are not in force.
func (l *LB) Ready() error {
	s := l.view()
	switch {
	case s.err != "":
		return errors.New(s.err)
	case s.have == nil:
		return errors.New("no state has been applied yet")
	}
	return nil
}

// Problems are what was left out, for the apps' owners.
func (l *LB) Problems() []ruleset.Problem { return l.view().result.Problems }

// reply writes JSON with an ETag made of the content.
func reply(w http.ResponseWriter, r *http.Request, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(data, '\n'))
}

// Serve answers on the listener until ctx ends.
func (l *LB) Serve(ctx context.Context, on net.Listener) error {
	s := &http.Server{Handler: l.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(on); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("status server: %w", err)
	}
	return nil
}
