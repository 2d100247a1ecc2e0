package haproxy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Paths are the places mlb and its HAProxy meet at. They follow from the configuration file alone, so that a new mlb finds
// what its predecessor left.
type Paths struct {
	Config string // haproxy.cfg; maps lie next to it
	Run    string // directory of the sockets and of everything below, mode 0700

	Stats  string // Runtime API of the current worker
	Master string // CLI of the master
	Spare  string // from the ports in store to their frontend, within HAProxy
	Admin  string // mlb's own HTTP server, behind HAProxy's stats frontend
	Log    string // named pipe that HAProxy's own messages go to
	Record string // what the running HAProxy was told
	Doubt  string // exists while HAProxy may differ from the files
	State  string // server states across a reload
	Lock   string // held by the mlb that uses all this
}

// maxSocketPath leaves room for the suffix HAProxy adds while it binds: sockaddr_un holds 107 bytes, and
// ".<pid>.tmp" takes up to 13.
const maxSocketPath = 107 - 13

// NewPaths derives the paths from the configuration file. run is the directory for sockets; when empty it is
// <directory of the configuration>/run. Where that would be too long for a socket, or where the user HAProxy becomes
// could not reach it, it is a directory named after the configuration file below /run, or without root below the
// system's temporary directory.
func NewPaths(config, run string) (Paths, error) {
	config, err := filepath.Abs(config)
	if err != nil {
		return Paths{}, fmt.Errorf("path of the configuration file: %w", err)
	}
	if run == "" {
		return ownPaths(config)
	}
	if run, err = filepath.Abs(run); err != nil {
		return Paths{}, fmt.Errorf("run directory: %w", err)
	}
	return at(config, run).checked()
}

func ownPaths(config string) (Paths, error) {
	dir := filepath.Dir(config)
	p := at(config, filepath.Join(dir, "run"))
	root := os.Geteuid() == 0
	if !p.tooLong() && (!root || passable(dir)) {
		return p, nil
	}
	base := os.TempDir()
	if root {
		base = "/run"
	}
	sum := sha256.Sum256([]byte(config))
	return at(config, filepath.Join(base, "mlb-"+hex.EncodeToString(sum[:6]))).checked()
}

// passable reports whether every user can pass through dir and the directories above it, as far as they exist: HAProxy
// gives up root before it connects to the admin socket.
func passable(dir string) bool {
	for {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o001 == 0 {
			return false
		}
		up := filepath.Dir(dir)
		if up == dir {
			return true
		}
		dir = up
	}
}

func (p Paths) checked() (Paths, error) {
	if p.tooLong() {
		return Paths{}, fmt.Errorf("run directory %s: too long for a unix socket (%d bytes for %s, at most %d): choose a "+
			"shorter one with --run-dir", p.Run, len(p.Master), p.Master, maxSocketPath)
	}
	return p, nil
}

func at(config, run string) Paths {
	in := func(name string) string { return filepath.Join(run, name) }
	return Paths{
		Config: config, Run: run, Stats: in("stats.sock"), Master: in("master.sock"), Admin: in("admin.sock"),
		Log: in("haproxy.log"), Record: in("haproxy.json"), Doubt: in("haproxy.changing"), State: in("servers.state"), Lock: in("lock"),
		Spare: in("spare.sock"),
	}
}

func (p Paths) tooLong() bool { return len(p.Master) > maxSocketPath }

// Dir is the directory of the configuration and its maps.
func (p Paths) Dir() string { return filepath.Dir(p.Config) }

// make creates the directories.
func (p Paths) make() error {
	if err := os.MkdirAll(p.Dir(), 0o755); err != nil {
		return fmt.Errorf("configuration directory: %w", err)
	}
	if err := os.MkdirAll(p.Run, 0o700); err != nil {
		return fmt.Errorf("run directory: %w", err)
	}
	return p.ours()
}

// ours refuses a run directory that somebody else made: below a directory that all may write to, its name can be guessed.
func (p Paths) ours() error {
	info, err := os.Lstat(p.Run)
	if err != nil {
		return fmt.Errorf("run directory: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("run directory %s: expected a directory of user %d: remove it, or choose another with --run-dir",
			p.Run, os.Geteuid())
	}
	return nil
}
