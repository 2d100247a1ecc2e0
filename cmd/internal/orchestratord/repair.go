package orchestratord

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"berth/orchestrator"
)

const (
	repairPoll  = time.Second
	repairState = "the orchestrator cannot read its state; its log says what to do"
)

// awaitRepair waits until the state file is another, or ctx ends. Meanwhile it answers at ln, so that whoever asks learns
// what is the matter, and nobody who watches over processes starts this one again and again. ln is closed; the listener
// returned has its address.
func awaitRepair(ctx context.Context, c Config, r resolved, ln net.Listener) (net.Listener, error) {
	file := filepath.Join(c.Data, orchestrator.StateFile)
	before := identity(file)
	d := &daemon{listener: ln, certificates: r.certificates}
	srv := &http.Server{
		Handler: http.HandlerFunc(answerDamaged), ReadHeaderTimeout: headerTimeout, WriteTimeout: headerTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
	}
	served := make(chan error, 1)
	go func() { served <- d.serve(srv) }()
	poll := time.NewTicker(repairPoll)
	defer poll.Stop()
	for waiting := true; waiting; {
		select {
		case <-ctx.Done():
			waiting = false
		case <-poll.C:
			waiting = identity(file) == before
		case err := <-served:
			return nil, fmt.Errorf("serve the API: %w", err)
		}
	}
	err := srv.Close()
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	if err != nil || ctx.Err() != nil {
		return nil, err
	}
	return listen(ctx, ln.Addr().String())
}

// answerDamaged says to probes that the process lives and is not ready, and to all others why.
func answerDamaged(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ping" || r.URL.Path == "/healthz" {
		fmt.Fprintln(w, "alive, but not ready")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintf(w, `{"message":%q}`, repairState)
}

// fileIdentity changes when a file is written or replaced.
type fileIdentity struct {
	there bool
	size  int64
	at    time.Time
}

func identity(name string) fileIdentity {
	info, err := os.Stat(name)
	if err != nil {
		return fileIdentity{}
	}
	return fileIdentity{true, info.Size(), info.ModTime()}
}
