package haproxy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// Paths are the places mlb and its HAProxy meet at. They follow from the configuration file alone, so that a new mlb finds
// what its predecessor left.
type Paths struct {
	Config string // haproxy.cfg; maps lie next to it
	Run    string // directory of the sockets and of everything below, mode 0700

	Stats  string // Runtime API of the current worker
	Master string // CLI of the master
	Admin  string // mlb's own HTTP server, behind HAProxy's stats frontend
	Log    string // named pipe that HAProxy's own messages go to
	Record string // what the running HAProxy was told
	State  string // server states across a reload
	Lock   string // held by the mlb that uses all this
}

// maxSocketPath leaves room for the suffix HAProxy adds while it binds: sockaddr_un holds 107 bytes, and
// ".<pid>.tmp" takes up to 13.
const maxSocketPath = 107 - 13

// NewPaths derives the paths from the configuration file. run is the directory for sockets; when empty it is
// <directory of the configuration>/run, or, where that would be too long for a socket, a directory below the system's
// temporary directory named after the configuration file.
func NewPaths(config, run string) (Paths, error) {
	config, err := filepath.Abs(config)
	if err != nil {
		return Paths{}, fmt.Errorf("path of the configuration file: %w", err)
	}
	given := run != ""
	if given {
		if run, err = filepath.Abs(run); err != nil {
			return Paths{}, fmt.Errorf("run directory: %w", err)
		}
	} else {
		run = filepath.Join(filepath.Dir(config), "run")
	}
	p := at(config, run)
	if p.tooLong() && !given {
		sum := sha256.Sum256([]byte(config))
		p = at(config, filepath.Join(os.TempDir(), "mlb-"+hex.EncodeToString(sum[:6])))
	}
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
		Log: in("haproxy.log"), Record: in("haproxy.json"), State: in("servers.state"), Lock: in("lock"),
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
	return nil
}
