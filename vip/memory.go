package vip

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/google/renameio/v2"

	"berth/vip/ruleset"
)

// memory keeps the addresses of names over restarts and for a while after their last use, because clients remember them.
type memory struct {
	file  string
	names map[string]remembered
}

type remembered struct {
	ruleset.Assignment
	Used time.Time `json:"used"`
}

// quarantine is how long an address is not given to another name after its last use.
const quarantine = 24 * time.Hour

const maxMemory = 64 << 20 // bytes of the file

func newMemory(file string) *memory { return &memory{file: file, names: map[string]remembered{}} }

func (m *memory) load(now time.Time) error {
	if m.file == "" {
		return nil
	}
	info, err := os.Stat(m.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Size() > maxMemory {
		return fmt.Errorf("%s: %d bytes; expected at most %d", m.file, info.Size(), maxMemory)
	}
	data, err := os.ReadFile(m.file)
	if err != nil {
		return err
	}
	names := map[string]remembered{}
	if err := json.Unmarshal(data, &names); err != nil {
		return fmt.Errorf("%s: %w", m.file, err)
	}
	for name, r := range names {
		if now.Sub(r.Used) < quarantine {
			m.names[name] = r
		}
	}
	return nil
}

func (m *memory) assignments() map[string]ruleset.Assignment {
	out := make(map[string]ruleset.Assignment, len(m.names))
	for name, r := range m.names {
		out[name] = r.Assignment
	}
	return out
}

// take notes what a build assigned, if anything is new.
func (m *memory) take(b *ruleset.Builder) {
	for name, a := range b.Fresh() {
		m.names[name] = remembered{a, time.Now()}
	}
}

// save writes the file and forgets names that have not been used for long.
func (m *memory) save(b *ruleset.Builder, now time.Time, log *slog.Logger) {
	if b == nil {
		return
	}
	for name, r := range m.names {
		if b.InUse(name) {
			r.Used = now
			m.names[name] = r
		} else if now.Sub(r.Used) >= quarantine {
			b.Forget(name)
			delete(m.names, name)
		}
	}
	if m.file == "" {
		return
	}
	data, err := json.Marshal(m.names)
	if err == nil {
		err = renameio.WriteFile(m.file, data, 0o600)
	}
	if err != nil {
		log.Warn("addresses of names not saved", "file", m.file, "err", err)
	}
}
