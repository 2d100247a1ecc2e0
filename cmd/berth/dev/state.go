package dev

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// stateFile, in the state directory, says what a running berth dev listens on. It is removed by an orderly end: when it
// is there at start, the run before was killed.
const stateFile = "dev.json"

// State is the content of dev.json.
type State struct {
	PID   int            `json:"pid"`
	Ready bool           `json:"ready"`
	Ports map[string]int `json:"ports"`
	URLs  URLs           `json:"urls"`
	VIP   VIP            `json:"vip,omitzero"` // once Ready
}

// URLs are where everything answers.
type URLs struct {
	API   string `json:"api"`
	HTTP  string `json:"http"`
	HTTPS string `json:"https"`
	Stats string `json:"stats"`
	AppID string `json:"appid"`
	DNS   string `json:"dns"` // host:port
	VIP   string `json:"vip"` // status
}

// ReadState reads the state of the berth dev that runs in dir, or that was killed there; ok is false if there is none.
func ReadState(dir string) (s State, ok bool, err error) {
	data, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, false, fmt.Errorf("read %s: %w", filepath.Join(dir, stateFile), err)
	}
	return s, true, nil
}

func (s State) write(dir string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(dir, stateFile), append(data, '\n'), 0o600)
}

// lock holds dir for this process until the returned function is called. The kernel lets go when the process dies.
func lock(dir string) (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another berth dev runs in %s; --dir chooses another place", dir)
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { f.Close() }, nil
}

// DefaultDir is where the state is kept unless told otherwise: $XDG_STATE_HOME/berth, else ~/.local/state/berth.
func DefaultDir() string {
	if d := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "berth")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "berth")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("berth-%d", os.Getuid()))
}
