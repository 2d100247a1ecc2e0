package dnsd

import (
	"context"
	"errors"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/client"
)

// other is what is known of a framework beside the main one; Daemon.mu guards all but the Framework.
type other struct {
	Framework
	apps   []*api.AppInfo
	loaded bool
	index  uint64
	time   time.Time // of the last snapshot
}

// deliverOf takes a snapshot of another framework in, as deliver does for the main one. Nothing is served before the main one
// has been read.
func (d *Daemon) deliverOf(ctx context.Context, f *other, s *client.Snapshot) {
	d.mu.Lock()
	f.apps, f.loaded, f.index, f.time = s.Apps, true, s.Index, s.Time
	served := d.loaded
	d.update(time.Now())
	d.mu.Unlock()
	if served {
		d.ackOf(ctx, f, s.Index)
	}
	d.keep()
}

func (d *Daemon) ackOf(ctx context.Context, f *other, index uint64) {
	if err := f.Source.Ack(ctx, api.Ack{Index: index}); err != nil && !errors.Is(err, context.Canceled) {
		d.log.Warn("acknowledge", "framework", f.Name, "index", index, "err", err)
	}
}

// ackOthers acknowledges what was read of other frameworks before anything was served.
func (d *Daemon) ackOthers(ctx context.Context) {
	for _, f := range d.others {
		d.mu.Lock()
		loaded, index := f.loaded, f.index
		d.mu.Unlock()
		if loaded {
			d.ackOf(ctx, f, index)
		}
	}
}

// FrameworkApps are the apps of one framework, as last read. They must not be changed.
type FrameworkApps struct {
	Name string
	Apps []*api.AppInfo
}

// Frameworks returns all frameworks with their apps, the main one, whose name is given, first.
func (d *Daemon) Frameworks(main string) []FrameworkApps {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []FrameworkApps{{main, d.apps}}
	for _, f := range d.others {
		out = append(out, FrameworkApps{f.Name, f.apps})
	}
	return out
}

// FrameworkStatus is how the watch of another framework does.
type FrameworkStatus struct {
	Name   string        `json:"name"`
	Loaded bool          `json:"loaded"`
	Stale  bool          `json:"stale"`
	Index  uint64        `json:"index"`
	Apps   int           `json:"apps"`
	Watch  client.Status `json:"watch"`
}

// frameworkStatus is the state of all others; d.mu is held.
func (d *Daemon) frameworkStatus(now time.Time) (out []FrameworkStatus) {
	for _, f := range d.others {
		out = append(out, FrameworkStatus{
			Name: f.Name, Loaded: f.loaded, Stale: f.loaded && d.ageOf(f.Source, f.time, now) >= stale, Index: f.index, Apps: len(f.apps),
			Watch: f.Source.Status(),
		})
	}
	return out
}
