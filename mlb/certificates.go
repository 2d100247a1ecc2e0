package mlb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/mlb/plan"
)

// certificates keeps HAProxy's certificates in step with the files: a file with new content goes over the Runtime API, a file
// more or less in a directory takes a reload. The loop owns it.
type certificates struct {
	files  map[string][sha256.Size]byte // by path; what HAProxy has loaded
	before map[string][]byte            // as read just before a reload
}

const (
	maxCertificate  = 1 << 20  // bytes of a file looked at
	maxSent         = 10 << 10 // bytes of a file that fits into one command
	maxCertificates = 10000
)

// readCertificates reads all certificate files below paths, which are files or directories.
func readCertificates(paths []string) map[string][]byte {
	found := map[string][]byte{}
	for _, path := range paths {
		entries, err := os.ReadDir(path)
		if err != nil {
			entries = nil
			if text, ok := readSmall(path); ok {
				found[path] = text
			}
		}
		for _, e := range entries[:min(len(entries), maxCertificates)] {
			name := e.Name()
			if strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".key") || strings.HasSuffix(name, ".issuer") ||
				strings.HasSuffix(name, ".ocsp") || strings.HasSuffix(name, ".sctl") {
				continue // HAProxy reads these beside a certificate, not as one
			}
			if text, ok := readSmall(filepath.Join(path, name)); ok {
				found[filepath.Join(path, name)] = text
			}
		}
	}
	return found
}

func readSmall(path string) ([]byte, bool) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	text, err := io.ReadAll(io.LimitReader(f, maxCertificate))
	return text, err == nil
}

// loaded remembers the content of the files as HAProxy has read them.
func (c *certificates) loaded(now map[string][]byte) {
	c.files = make(map[string][sha256.Size]byte, len(now))
	for path, text := range now {
		c.files[path] = sha256.Sum256(text)
	}
}

// change says what HAProxy must be told: commands, or that a reload is needed. Files that are no certificates (a write half
// done) are passed over until they are.
func (c *certificates) change(now map[string][]byte) (commands []plan.Command, reload bool) {
	for _, path := range slices.Sorted(maps.Keys(now)) {
		text := now[path]
		known, ok := c.files[path]
		if ok && known == sha256.Sum256(text) {
			continue
		}
		if haproxy.CheckCertificate(path) != nil {
			continue
		}
		if !ok || len(text) > maxSent {
			reload = true
			continue
		}
		commands = append(commands,
			plan.Command{Line: "set ssl cert " + path, Payload: payload(text),
				Want: []string{"Transaction created", "Transaction updated"}},
			plan.Command{Line: "commit ssl cert " + path, Want: []string{"Committing"}})
	}
	for path := range c.files {
		if _, ok := now[path]; !ok {
			reload = true
		}
	}
	return commands, reload
}

// payload is a PEM text without empty lines, which would end a command.
func payload(text []byte) string {
	var b strings.Builder
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			b.Write(line)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// certificatePaths lists what HAProxy reads certificates from: the operator's, and those that services bring.
func (l *LB) certificatePaths() []string {
	paths := slices.Clone(l.opt.Render.Certificates)
	if l.state.Model != nil {
		paths = append(paths, certificatesOf(l.state.Model)...)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

func certificatesOf(m *model.Model) []string {
	var paths []string
	for _, s := range m.Services {
		if s.SSLCert != "" {
			paths = append(paths, s.SSLCert)
		}
	}
	return paths
}

// noteCertificates remembers what HAProxy has loaded. Of a HAProxy that was taken over nobody knows how old its certificates
// are, so it is told all of them once.
func (l *LB) noteCertificates(r haproxy.Result) {
	switch {
	case r.Rung == plan.Reload:
		l.certs.loaded(l.certs.before)
	case l.certs.files == nil:
		l.certs.files = map[string][sha256.Size]byte{}
		for path := range readCertificates(l.certificatePaths()) {
			l.certs.files[path] = [sha256.Size]byte{}
		}
		select {
		case l.renew <- struct{}{}:
		default:
		}
	}
}

// renewCertificates brings changed files to HAProxy.
func (l *LB) renewCertificates(ctx context.Context) {
	if l.state.Output == nil {
		return
	}
	now := readCertificates(l.certificatePaths())
	commands, reload := l.certs.change(now)
	if len(commands) == 0 && !reload {
		return
	}
	began := time.Now()
	if !reload {
		if _, err := l.opt.Proxy.Send(ctx, commands); err != nil {
			l.log.Warn("certificates not taken over the Runtime API, reloading instead", "err", err)
			reload = true
		}
	}
	if reload {
		if err := l.reload(ctx); err != nil {
			l.failed(err)
			return
		}
	}
	l.certs.loaded(now)
	l.log.Info("certificates renewed", "files", len(now), "commands", len(commands), "reload", reload, "took", time.Since(began))
}

// watchCertificates asks for renewCertificates when a directory changes in which certificates lie.
func (l *LB) watchCertificates(ctx context.Context) {
	for ctx.Err() == nil {
		err := watchAny(ctx, l.opt.Render.Certificates, func() {
			select {
			case l.renew <- struct{}{}:
			default:
			}
		})
		if ctx.Err() != nil {
			return
		}
		l.log.Error("certificates not watched", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
		}
	}
}
