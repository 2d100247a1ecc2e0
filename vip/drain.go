package vip

import (
	"context"
	"net/netip"
	"time"

	"berth/orchestrator/api"
	"berth/vip/ruleset"
)

// drainEvery is how often open connections to tasks that are being stopped are counted: the orchestrator waits for their end.
// The kernel goes through its table of connections for it, which takes about 20 ms of the processor.
const drainEvery = time.Second

// acknowledge tells the orchestrator what is in force, and how many connections tasks that are being stopped still have. As
// long as there are any, it does so again.
func (l *LB) acknowledge(ctx context.Context) {
	s := l.view()
	if s.index == 0 || s.err != "" {
		return
	}
	ack := api.Ack{Role: "vip", Index: s.index}
	if of := draining(s.result); len(of) > 0 {
		sessions, err := l.opt.Host.Sessions(func(k ruleset.Key, by netip.AddrPort) string { return of[backend{k, by}] })
		if err != nil {
			l.log.Warn("connections of draining tasks not counted", "err", err)
		}
		if len(sessions) > 0 {
			ack.Sessions = sessions
			l.drain.Reset(drainEvery)
		}
	}
	if err := l.opt.Source.Ack(ctx, ack); err != nil {
		l.log.Warn("acknowledgement not sent", "index", ack.Index, "err", err)
	}
}

// draining maps the backends that are being stopped to their tasks.
func draining(r ruleset.Result) map[backend]string {
	of := map[backend]string{}
	for _, v := range r.VIPs {
		for _, m := range v.Members {
			if m.State != ruleset.Draining || !m.Addr.IsValid() {
				continue
			}
			for _, a := range v.Addrs {
				of[backend{ruleset.Key{Addr: a, Proto: v.Proto, Port: v.Port}, m.Addr}] = m.Task
			}
		}
	}
	return of
}
