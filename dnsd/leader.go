package dnsd

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/google/renameio/v2"
)

// maxLeader bounds a leader's host:port in bytes.
const maxLeader = 300

// watchLeader asks the source now and then who leads.
func (d *Daemon) watchLeader(ctx context.Context) {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		next := d.o.LeaderEvery
		if !d.askLeader(ctx) {
			next = min(next, time.Second)
		}
		wait.Reset(next)
	}
}

// askLeader reports whether the source answered.
func (d *Daemon) askLeader(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	info, err := d.o.Source.Info(ctx)
	if err != nil {
		return false // the watch says so
	}
	if len(info.Leader) > maxLeader || info.Leader == "" {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if info.Leader == d.infra.Leader {
		return true
	}
	d.infra.Leader = info.Leader
	d.builder.SetInfra(d.infra)
	d.update(time.Now())
	if err := saveLeader(d.o.InfraFile, info.Leader); err != nil {
		d.log.Warn("keep the leader for the next start", "err", err)
	}
	return true
}

type kept struct {
	Leader string `json:"leader"`
}

func saveLeader(file, leader string) error {
	if file == "" {
		return nil
	}
	text, err := json.Marshal(kept{leader})
	if err != nil {
		return err
	}
	return renameio.WriteFile(file, append(text, '\n'), 0o600)
}

// loadLeader returns "" if there is nothing of use.
func loadLeader(file string) string {
	if file == "" {
		return ""
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	var k kept
	if err != nil || json.Unmarshal(text, &k) != nil || len(k.Leader) > maxLeader {
		return ""
	}
	return k.Leader
}
