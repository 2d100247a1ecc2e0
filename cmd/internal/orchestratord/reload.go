package orchestratord

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	reloadQuiet = 200 * time.Millisecond // files that belong together are rarely written at once
	reloadPoll  = time.Minute            // in case the kernel's word of a change is lost, or cannot be had
)

// reloader reads files anew when they change: those of one part belong together.
type reloader struct {
	log   *slog.Logger
	parts []*reloaded
	quiet time.Duration
	poll  time.Duration
}

// reloaded is a part of the configuration that may change while the daemon runs.
type reloaded struct {
	what  string
	files []string
	load  func() error // on an error, what was loaded before stays in use
	seen  [sha256.Size]byte
}

func newReloader(log *slog.Logger) *reloader {
	return &reloader{log: log, quiet: reloadQuiet, poll: reloadPoll}
}

func (r *reloader) add(what string, files []string, load func() error) {
	files = slices.DeleteFunc(files, func(f string) bool { return f == "" })
	if len(files) > 0 {
		r.parts = append(r.parts, &reloaded{what: what, files: files, load: load, seen: fingerprint(files)})
	}
}

// run watches the files until ctx ends. Their directories are watched, not they themselves, so that a file put in the
// place of another counts, as does a symbolic link turned to another directory, which is how Kubernetes updates.
func (r *reloader) run(ctx context.Context) {
	if len(r.parts) == 0 {
		return
	}
	var events <-chan fsnotify.Event
	var failures <-chan error
	w, err := fsnotify.NewWatcher()
	if err == nil {
		defer w.Close()
		events, failures = w.Events, w.Errors
		err = r.watch(w)
	}
	if err != nil {
		r.log.Warn("changes of files are seen later", "after", r.poll, "error", err)
	}
	poll := time.NewTicker(r.poll)
	defer poll.Stop()
	due := time.NewTimer(0) // what changed before the watch
	defer due.Stop()
	pending := true
	soon := func() {
		if !pending { // busy neighbours of a file do not put it off
			pending = true
			due.Reset(r.quiet)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
			soon()
		case err := <-failures:
			r.log.Warn("watch of files", "error", err)
			soon()
		case <-poll.C:
			r.look()
		case <-due.C:
			pending = false
			r.look()
		}
	}
}

func (r *reloader) watch(w *fsnotify.Watcher) error {
	for _, p := range r.parts {
		for _, f := range p.files {
			if err := w.Add(filepath.Dir(f)); err != nil {
				return err
			}
		}
	}
	return nil
}

// look loads what has changed.
func (r *reloader) look() {
	for _, p := range r.parts {
		now := fingerprint(p.files)
		if now == p.seen {
			continue
		}
		p.seen = now
		if err := p.load(); err != nil {
			r.log.Error("changed files cannot be used; what was there before goes on to be used", "what", p.what, "error", err)
			continue
		}
		r.log.Info("changed files are in use", "what", p.what)
	}
}

// fingerprint is of the files' content; one that cannot be read counts as empty.
func fingerprint(files []string) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, f := range files {
		data, err := readSmall(f)
		if err != nil {
			data = nil
		}
		part := sha256.Sum256(data)
		h.Write(part[:])
	}
	h.Sum(sum[:0])
	return sum
}

// maxSmall bounds a file of credentials or certificates, in bytes.
const maxSmall = 1 << 20

// readSmall reads a file of at most maxSmall bytes.
func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSmall {
		return nil, &os.PathError{Op: "read", Path: name, Err: errLarge}
	}
	return data, nil
}
