package mlb

import (
	"context"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/renameio/v2"

	"berth/mlb/certs"
	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/mlb/plan"
)

// certificates keeps what HAProxy serves TLS with in step with the files. All fields are the loop's.
type certificates struct {
	named []string  // in the running configuration
	have  certs.Set // as HAProxy has them
	// standIn are the files in the place of a certificate, or a directory of them, that cannot be used at present.
	standIn map[string][]string
}

// certPoll is how often certificate files are looked at where no event comes, such as on network file systems.
const certPoll = time.Minute

// noteCertificates looks at the certificates of what HAProxy does now. At a reload it has read them, no earlier than they
// were scanned for the attempt; what changed since is given to it once more. A HAProxy that was taken over may have read them
// long ago and is given them all.
func (l *LB) noteCertificates(ctx context.Context, a *attempt) {
	c := &l.certs
	c.named = certs.Named(a.out.Config(), func(file string) []byte { return mapData(a, file) })
	c.have = a.certs
	l.swapCertificates(ctx)
	select {
	case <-l.certDirs:
	default:
	}
	l.certDirs <- certs.Dirs(slices.Concat(c.named, slices.Collect(maps.Keys(c.standIn))))
}

// swapCertificates gives HAProxy the certificates that changed.
func (l *LB) swapCertificates(ctx context.Context) {
	if l.state.Output == nil {
		return
	}
	c := &l.certs
	watched := slices.Concat(c.named, slices.Collect(maps.Keys(c.standIn)))
	l.reportCertificates(certs.Scan(watched))
	want := certs.Scan(c.named)
	if l.readmit() {
		return
	}
	commands, reason := certs.Diff(c.have, want)
	if len(commands) == 0 && reason == "" {
		c.have = certs.Merge(c.have, want)
		return
	}
	began := time.Now()
	if reason == "" {
		if _, err := l.opt.Proxy.Send(ctx, commands); err != nil {
			reason = "certificates could not be swapped: " + err.Error()
		}
	}
	if reason == "" {
		c.have = certs.Merge(c.have, want)
		l.log.Info("certificates swapped", "commands", len(commands), "took", time.Since(began))
		l.metrics.applied(haproxy.Result{Rung: plan.Runtime, Commands: len(commands)}, time.Since(began))
		return
	}
	l.log.Info("reloading for certificates", "reason", reason)
	if err := l.opt.Proxy.Persist(ctx, *l.state.Output, l.templates.sections(l.state.Output)); err != nil {
		l.log.Error("files not written", "err", err)
		return
	}
	if l.reload(ctx) == nil {
		c.have = certs.Merge(c.have, want)
	}
}

// reportCertificates shows which files cannot be used.
func (l *LB) reportCertificates(s certs.Set) {
	var found []model.Problem
	for path, err := range s.Bad {
		found = append(found, model.Problem{
			Severity: model.SeverityError, Field: "certificate", Value: model.Shorten(path),
			Reason: "HAProxy keeps what it has of this certificate: " + model.Shorten(err.Error()),
		})
	}
	slices.SortFunc(found, func(a, b model.Problem) int { return strings.Compare(a.Value, b.Value) })
	l.mu.Lock()
	before := l.status.certProblems
	l.status.certProblems = found
	l.mu.Unlock()
	for _, p := range found {
		if slices.Contains(before, p) {
			continue
		}
		l.log.Error("certificate not used", "path", p.Value, "reason", p.Reason)
	}
}

// standIns finds certificates of an attempt that cannot be used and puts the last good ones in their place: with them
// HAProxy would refuse every configuration, whatever it is about. It says whether there was anything new.
func (l *LB) standIns(a *attempt) bool {
	named := certs.Named(a.out.Config(), func(file string) []byte { return mapData(a, file) })
	changed := false
	for _, path := range named {
		s := certs.Scan([]string{path})
		if len(s.Bad) == 0 {
			continue
		}
		list := slices.Sorted(maps.Keys(s.Files))
		for bad := range s.Bad {
			if file := l.lastGood(bad); file != "" {
				list = append(list, file)
			}
		}
		slices.Sort(list)
		if was, ok := l.certs.standIn[path]; !ok || !slices.Equal(was, list) {
			l.certs.standIn[path], changed = list, true
		}
	}
	if changed {
		l.reportCertificates(certs.Scan(named))
		l.renderAnew()
	}
	return changed
}

// lastGood writes what HAProxy has of a certificate to a file of our own and returns its path, "" if it has nothing.
func (l *LB) lastGood(path string) string {
	f, ok := l.certs.have.Files[path]
	if !ok || f.Companions {
		return ""
	}
	file := filepath.Join(l.opt.Render.MapDir, "last-good", hex.EncodeToString(f.Sum[:8])+".pem")
	err := os.MkdirAll(filepath.Dir(file), 0o700)
	if err == nil {
		err = renameio.WriteFile(file, f.Text, 0o600)
	}
	if err != nil {
		l.log.Error("last good certificate not kept", "path", path, "err", err)
		return ""
	}
	return file
}

// readmit gives up stand-ins of certificates that can be used again, by another pass.
func (l *LB) readmit() bool {
	good := false
	for path := range l.certs.standIn {
		if s := certs.Scan([]string{path}); len(s.Bad) == 0 {
			delete(l.certs.standIn, path)
			good = true
		}
	}
	if good {
		l.renderAnew()
		l.nudge("a certificate can be used again")
	}
	return good
}

// renderAnew drops what was rendered with other certificates.
func (l *LB) renderAnew() {
	l.templates = newTemplateSet(l.opt.Render, l.templates.texts)
	if l.candidate != nil {
		l.candidate = newTemplateSet(l.opt.Render, l.candidate.texts)
	}
}

// replace is for render.Options.
func (c *certificates) replace(path string) []string {
	if list, ok := c.standIn[path]; ok {
		return list
	}
	return []string{path}
}

// watchCertificates tells the loop whenever something happens in a directory with certificates.
func (l *LB) watchCertificates(ctx context.Context) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		l.log.Error("certificates are looked at from time to time only", "every", certPoll, "err", err)
		w = &fsnotify.Watcher{} // without events
	} else {
		defer w.Close()
	}
	poll := time.NewTicker(certPoll)
	defer poll.Stop()
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case dirs := <-l.certDirs:
			if err == nil {
				l.watchDirs(w, dirs)
				quiet.Reset(settle) // for what happened before
			}
		case <-w.Events:
			quiet.Reset(settle)
		case err := <-w.Errors:
			l.log.Warn("watching certificates", "err", err)
		case <-quiet.C:
			l.certsChanged()
		case <-poll.C:
			l.certsChanged()
		}
	}
}

func (l *LB) certsChanged() {
	select {
	case l.certNews <- struct{}{}:
	default:
	}
}

func (l *LB) watchDirs(w *fsnotify.Watcher, dirs []string) {
	for _, have := range w.WatchList() {
		if !slices.Contains(dirs, have) {
			_ = w.Remove(have)
		}
	}
	for _, dir := range dirs {
		if err := w.Add(dir); err != nil {
			l.log.Warn("directory of certificates not watched", "dir", dir, "err", err)
		}
	}
}
