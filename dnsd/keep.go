package dnsd

import (
	"encoding/json"
	"os"

	"github.com/google/renameio/v2"
)

// kept is what the next start has to know beside the apps, which the watch keeps.
type kept struct {
	Leader string `json:"leader,omitempty"`
	// Serial is above every serial used. A zone that changes more than once a second is ahead of the clock, which the next
	// start would begin with; secondaries take no notice of a serial that goes back (RFC 1982).
	Serial uint32 `json:"serial,omitempty"`
}

// serialAhead is how many serials one writing of the file allows for.
const serialAhead = 300

// keep writes the file anew if it no longer holds.
func (d *Daemon) keep() {
	if d.o.InfraFile == "" {
		return
	}
	d.mu.Lock()
	now := kept{Leader: d.infra.Leader}
	if d.zone != nil {
		now.Serial = d.zone.Serial()
	}
	d.mu.Unlock()
	d.fileMu.Lock()
	defer d.fileMu.Unlock()
	if now.Leader == d.saved.Leader && now.Serial <= d.saved.Serial {
		return
	}
	now.Serial = max(d.saved.Serial, now.Serial+serialAhead)
	if err := saveKept(d.o.InfraFile, now); err != nil {
		d.log.Warn("keep leader and serial for the next start", "err", err)
		return
	}
	d.saved = now
}

func saveKept(file string, k kept) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return renameio.WriteFile(file, append(text, '\n'), 0o600)
}

// loadKept returns the zero value if there is nothing of use.
func loadKept(file string) kept {
	text, err := os.ReadFile(file)
	var k kept
	if err != nil || json.Unmarshal(text, &k) != nil || len(k.Leader) > maxLeader {
		return kept{}
	}
	return k
}
