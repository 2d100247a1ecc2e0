package forward

// Stats counts what a Forwarder did since it started.
type Stats struct {
	Requests, Failures uint64
	Hits, Misses       uint64 // of the cache
	Stale              uint64 // expired answers served because nobody answered
	Entries            int
	Upstreams          []Upstream
}

// Upstream is how one resolver does.
type Upstream struct {
	Zone   string `json:"zone,omitempty"` // empty for those of all other names
	Addr   string `json:"addr"`
	Asked  uint64 `json:"asked"`
	Failed uint64 `json:"failed"`
	Fails  int    `json:"failsInARow"`
	Loops  bool   `json:"loops,omitempty"` // it forwards to us
}

// Stats returns the counters.
func (f *Forwarder) Stats() Stats {
	s := Stats{Requests: f.requests.Load(), Failures: f.failures.Load()}
	f.cache.mu.Lock()
	s.Hits, s.Misses, s.Stale, s.Entries = f.cache.hits, f.cache.misses, f.cache.stale, f.cache.used.Len()
	f.cache.mu.Unlock()
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, u := range f.resolvers {
		s.Upstreams = append(s.Upstreams, u.status(""))
	}
	for _, r := range f.zones {
		for _, u := range r.ups {
			s.Upstreams = append(s.Upstreams, u.status(r.zone))
		}
	}
	return s
}

func (u *upstream) status(zone string) Upstream {
	return Upstream{
		Zone: zone, Addr: u.addr.String(), Asked: u.asked.Load(), Failed: u.failed.Load(), Fails: int(u.fails.Load()),
		Loops: u.loops.Load(),
	}
}
