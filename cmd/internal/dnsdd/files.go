package dnsdd

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// filesEvery is how often files are looked at for changes.
const filesEvery = 5 * time.Second

// followFiles takes changes of the files of records and of the system's resolvers in, also when SIGHUP asks for it, and looks for
// loops at the start and whenever the resolvers may be others.
func (d *daemon) followFiles(ctx context.Context) {
	got := make(chan os.Signal, 1)
	if d.opt.Signals {
		signal.Notify(got, syscall.SIGHUP)
		defer signal.Stop(got)
	}
	files := []string{d.c.HostsFile, d.c.RecordsFile, d.c.ResolvConf}
	seen := stamps(files)
	d.findLoops(ctx)
	tick := time.NewTicker(filesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-got:
			seen = stamps(files)
			d.reload(ctx, true, true)
		case <-tick.C:
			now := stamps(files)
			d.reload(ctx, now[0] != seen[0] || now[1] != seen[1], now[2] != seen[2])
			seen = now
		}
	}
}

// findLoops looks for resolvers that ask us, if that is wanted.
func (d *daemon) findLoops(ctx context.Context) {
	if d.c.LoopCheck && d.c.External && len(d.listeners) > 0 {
		d.forward.FindLoops(ctx)
	}
}

// stamp tells one state of a file from another.
type stamp struct {
	size int64
	at   time.Time
}

func stamps(files []string) [3]stamp {
	var out [3]stamp
	for i, f := range files {
		if info, err := os.Stat(f); err == nil {
			out[i] = stamp{info.Size(), info.ModTime()}
		}
	}
	return out
}

// reload keeps what it had where a file cannot be read.
func (d *daemon) reload(ctx context.Context, records, system bool) {
	if records && (d.c.HostsFile != "" || d.c.RecordsFile != "") {
		if s, err := d.c.static(); err != nil {
			d.log.Error("records of files stay as they were", "err", err)
		} else {
			d.loop.SetStatic(s)
			d.log.Info("records of files", "records", s.Len())
		}
	}
	if list, err := resolvers(d.c.Resolvers); system && err == nil && len(list) == 0 {
		if list, err := d.c.systemResolvers(reachable(d.addrs)); err != nil {
			d.log.Error("resolvers stay as they were", "err", err)
		} else {
			d.forward.SetResolvers(list)
			d.log.Info("resolvers of the system", "count", len(list))
		}
	}
	if system {
		d.findLoops(ctx)
	}
}
