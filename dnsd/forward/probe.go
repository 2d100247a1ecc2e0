package forward

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// probes finds upstreams that forward to us: each gets a question that nobody else can have, and if that comes to us, it
// is not asked any more.
type probes struct {
	mu    sync.Mutex
	under map[string]*upstream // probe's name → upstream
}

// seen reports whether a question is a probe of ours, and marks the upstream that sent it back.
func (p *probes) seen(k key) bool {
	if k.typ != dns.TypeHINFO {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.under[k.name]
	if u == nil {
		return false
	}
	u.loops.Store(true)
	return true
}

// FindLoops asks every upstream a question of type HINFO whose name is random, and stops using those whose question reaches
// this server again. It returns when all have answered or ctx ends. Call it when the server answers queries.
func (f *Forwarder) FindLoops(ctx context.Context) {
	f.mu.RLock()
	list := append([]*upstream(nil), f.resolvers...)
	f.mu.RUnlock()
	for _, r := range f.zones {
		list = append(list, r.ups...)
	}
	var group sync.WaitGroup
	for _, u := range list {
		group.Go(func() { f.probe(ctx, u) })
	}
	group.Wait()
}

func (f *Forwarder) probe(ctx context.Context, u *upstream) {
	u.loops.Store(false)
	k := key{name: probeName(), typ: dns.TypeHINFO, class: dns.ClassINET}
	f.probes.mu.Lock()
	if f.probes.under == nil {
		f.probes.under = map[string]*upstream{}
	}
	f.probes.under[k.name] = u
	f.probes.mu.Unlock()
	defer func() {
		f.probes.mu.Lock()
		delete(f.probes.under, k.name)
		f.probes.mu.Unlock()
	}()
	ctx, cancel := context.WithTimeout(ctx, min(f.o.Deadline, 2*time.Second))
	defer cancel()
	_, _ = u.once(ctx, k.question(), "udp")
	if u.loops.Load() {
		f.log.Error("this resolver forwards to us: it is not asked any more", "resolver", u.addr.String())
	}
}

// probeName is two random labels, so that no search list or zone of anybody's applies.
func probeName() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	s := hex.EncodeToString(b[:])
	return strings.Join([]string{s[:16], s[16:], ""}, ".")
}
