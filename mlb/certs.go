package mlb

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"berth/mlb/model"
)

// certWatch notices new content of certificates. It looks at the files themselves, once in a while: they may be symbolic
// links into directories that somebody swaps, of which a watch on the directory would not tell.
type certWatch struct {
	own     []string // the operator's: files and directories
	changed chan []certChange

	mu   sync.Mutex
	apps []string // of apps
}

// certChange is a certificate whose content is new. A nil one says that a file has come or gone.
type certChange struct {
	path string
	data []byte
}

// certSeen is what a file was like when it was last looked at.
type certSeen struct {
	modified time.Time
	size     int64
	sum      [sha256.Size]byte
}

func newCertWatch(own []string) *certWatch {
	return &certWatch{own: own, changed: make(chan []certChange)}
}

// set tells which certificates apps use.
func (w *certWatch) set(m *model.Model) {
	var list []string
	for _, s := range m.Services {
		if s.SSLCert != "" {
			list = append(list, s.SSLCert)
		}
	}
	w.mu.Lock()
	w.apps = list
	w.mu.Unlock()
}

// run looks every interval until ctx ends.
func (w *certWatch) run(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	seen := map[string]certSeen{}
	w.look(seen, true)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if found := w.look(seen, false); len(found) > 0 {
			select {
			case w.changed <- found:
			case <-ctx.Done():
				return
			}
		}
	}
}

// look compares the files with what was seen and brings seen up to date. An app's certificate that is met for the first
// time came with a reload, which has read it.
func (w *certWatch) look(seen map[string]certSeen, first bool) []certChange {
	w.mu.Lock()
	apps := w.apps
	w.mu.Unlock()
	var found []certChange
	now := map[string]bool{}
	one := func(path string, operators bool) {
		now[path] = true
		was, known := seen[path]
		is, data := inspect(path, was)
		seen[path] = is
		switch {
		case first || is.sum == was.sum:
		case !known && operators:
			found = append(found, certChange{})
		case known && data != nil:
			found = append(found, certChange{path, data})
		}
	}
	for _, path := range w.own {
		for _, file := range filesOf(path) {
			one(file, true)
		}
	}
	for _, path := range apps {
		if !now[path] {
			one(path, false)
		}
	}
	for path := range maps.Clone(seen) {
		if !now[path] {
			delete(seen, path)
			if slices.Contains(w.own, filepath.Dir(path)) {
				found = append(found, certChange{})
			}
		}
	}
	return found
}

// filesOf lists the files of a directory; anything else is a file.
func filesOf(path string) []string {
	entries, err := os.ReadDir(path)
	if err != nil {
		return []string{path}
	}
	var list []string
	for _, e := range entries {
		if !e.IsDir() && filepath.Ext(e.Name()) != ".key" {
			list = append(list, filepath.Join(path, e.Name()))
		}
	}
	return list
}

const maxCertificate = 1 << 20

// inspect reads a file unless it looks as before. A key in a file of its own belongs to the content.
func inspect(path string, was certSeen) (certSeen, []byte) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxCertificate {
		return was, nil // in the middle of being replaced: the next look will tell
	}
	is := certSeen{modified: info.ModTime(), size: info.Size(), sum: was.sum}
	if key, err := os.Stat(path + ".key"); err == nil {
		is.size += key.Size()
		if key.ModTime().After(is.modified) {
			is.modified = key.ModTime()
		}
	}
	if is == was {
		return was, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return was, nil
	}
	if key, err := os.ReadFile(path + ".key"); err == nil {
		data = append(append(data, '\n'), key...)
	}
	is.sum = sha256.Sum256(data)
	return is, data
}

// certificates hands new content to HAProxy. What cannot be used is reported and leaves the old content in use; what HAProxy
// cannot change while it runs takes a reload.
func (l *LB) certificates(ctx context.Context, changes []certChange) {
	for _, c := range changes {
		if c.path == "" {
			l.force = "certificates came or went"
			continue
		}
		if _, err := tls.X509KeyPair(c.data, c.data); err != nil {
			l.log.Error("certificate not used, the old one stays", "path", c.path, "err", err)
			continue
		}
		began := time.Now()
		if err := l.opt.Proxy.SetCertificate(ctx, c.path, c.data); err != nil {
			l.log.Warn("certificate needs a reload", "path", c.path, "err", err)
			l.force = fmt.Sprintf("certificate %s changed", filepath.Base(c.path))
			continue
		}
		l.metrics.certificates.Inc()
		l.log.Info("certificate changed without a reload", "path", c.path, "took", time.Since(began))
	}
	if l.force != "" {
		l.step(ctx)
	}
}
