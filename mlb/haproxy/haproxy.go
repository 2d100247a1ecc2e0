package haproxy

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"berth/mlb/render"
)

// Options configure a HAProxy.
type Options struct {
	Binary  *Binary
	Paths   Paths
	Archive int // accepted configurations kept next to the current one

	// SkipCheck leaves out "haproxy -c". The structure is checked all the same.
	SkipCheck bool
	// KeepStates saves server states before a reload to Paths.State, for configurations that load them.
	KeepStates bool

	CheckTimeout  time.Duration // for one "haproxy -c"; 30 s when 0
	StartTimeout  time.Duration // until a new master's worker answers; 30 s when 0
	ReloadTimeout time.Duration // until a new worker confirms its text; 30 s when 0

	Log *slog.Logger // nil discards
}

// HAProxy is the HAProxy that mlb owns: its files, its processes and its sockets. It is safe for concurrent use.
type HAProxy struct {
	opt       Options
	sock      *sockets
	msgs      *messages
	ids       backendIDs
	restarted chan struct{}
	started   chan struct{} // signals Run that there is a process to watch
	lock      *os.File

	mu       sync.Mutex // held while files are put in place and while the process changes
	running  bool
	master   process
	workers  []process // as last seen, to find them when their master has died
	orphans  []process // workers of masters that died; ours to collect where mlb is process 1
	loaded   string    // marker of the text the current worker was started with
	current  string    // Hash of what it does by now, Runtime API changes included
	binds    []string  // addresses bound by it
	good     state     // what is on disk
	restarts uint64
}

// state is a set of files in place.
type state struct {
	render.Output
	hash string
}

const defaultTimeout = 30 * time.Second

// New prepares the directories and claims them: it fails while another mlb uses them. Start brings HAProxy up, Run keeps it
// up, Close gives the claim up.
func New(opt Options) (*HAProxy, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	for _, d := range []*time.Duration{&opt.CheckTimeout, &opt.StartTimeout, &opt.ReloadTimeout} {
		if *d <= 0 {
			*d = defaultTimeout
		}
	}
	if err := opt.Paths.make(); err != nil {
		return nil, err
	}
	lock, err := claim(opt.Paths.Lock)
	if err != nil {
		return nil, err
	}
	if opt.KeepStates {
		if err := opt.Paths.noStates(); err != nil {
			return nil, errors.Join(err, lock.Close())
		}
	}
	return &HAProxy{
		opt: opt, lock: lock, sock: newSockets(opt.Paths), msgs: &messages{log: opt.Log},
		restarted: make(chan struct{}, 1), started: make(chan struct{}, 1),
	}, nil
}

// Close gives up the claim to the directories. HAProxy stays as it is.
func (h *HAProxy) Close() error { return h.lock.Close() }

// Restarted receives a value when HAProxy had died and was started again from the files on disk.
func (h *HAProxy) Restarted() <-chan struct{} { return h.restarted }

// Does reports whether HAProxy does at this moment what out says, as far as mlb knows.
func (h *HAProxy) Does(out render.Output) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running && h.does(out)
}

// does compares with what was rendered, and where files of an earlier mlb are in force, with their bytes. What is found to
// be the same is known by its sum from then on.
func (h *HAProxy) does(out render.Output) bool {
	sum := Hash(out)
	if h.current == sum {
		return true
	}
	if !strings.HasPrefix(h.current, fromFiles) || h.current != fromFiles+bytesHash(out) {
		return false
	}
	if h.good.hash == h.current {
		h.good.hash = sum
	}
	h.current = sum
	return true
}

// Restarts counts how often HAProxy had to be started again.
func (h *HAProxy) Restarts() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.restarts
}

// Config is the configuration in place, as the current worker read it apart from Runtime API changes.
func (h *HAProxy) Config() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.good.Config()
}

// Procs asks the master for its processes.
func (h *HAProxy) Procs(ctx context.Context) (Procs, error) { return h.sock.procs(ctx) }

// Paths tells the places in use.
func (h *HAProxy) Paths() Paths { return h.opt.Paths }

// Run passes HAProxy's messages on and starts HAProxy again whenever it dies. It returns when ctx ends, and leaves HAProxy
// running. It begins to watch when Start or Apply have brought a process up.
func (h *HAProxy) Run(ctx context.Context) error {
	var follower sync.WaitGroup
	follower.Go(func() {
		if err := h.msgs.follow(ctx, h.opt.Paths.Log); err != nil {
			h.opt.Log.Error("haproxy's messages are lost", "err", err)
		}
	})
	defer h.sock.wait()
	defer follower.Wait()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-h.started:
		}
		if err := h.watch(ctx); err != nil {
			return err
		}
	}
}

// watch waits for the end of the current process and replaces it, again and again. It returns nil when there is nothing to
// watch any more because HAProxy was stopped on purpose.
func (h *HAProxy) watch(ctx context.Context) error {
	const lived, first, most = 5 * time.Second, 100 * time.Millisecond, 5 * time.Second
	delay := time.Duration(0)
	for {
		h.mu.Lock()
		master, running := h.master, h.running
		h.mu.Unlock()
		if !running {
			return nil
		}
		since := time.Now()
		if err := master.wait(ctx); err != nil {
			return err
		}
		if time.Since(since) > lived {
			delay = 0
		}
		if err := sleep(ctx, delay); err != nil {
			return err
		}
		h.revive(ctx, master)
		delay = min(max(2*delay, first), most)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
