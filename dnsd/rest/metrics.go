package rest

import (
	"strings"
	"sync"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"berth/dnsd/server"
)

// collector reads the counters when they are asked for.
type collector struct {
	h *handler

	mu       sync.Mutex
	serial   uint32 // of the zone whose problems were counted
	problems int
}

// countProblems counts them once for each zone.
func (c *collector) countProblems(serial uint32) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if serial != c.serial {
		c.serial, c.problems = serial, len(c.h.o.Daemon.Problems())
	}
	return float64(c.problems)
}

func (c *collector) Describe(chan<- *prometheus.Desc) {} // unchecked: upstreams come and go

// sample is one value with its labels, name and value in turn.
type sample struct {
	name, help string
	counter    bool
	value      float64
	labels     []string
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	stats := c.h.o.Server()
	for by, l := range map[string]server.Latency{"zone": stats.ZoneTime, "forward": stats.ForwardTime} {
		buckets := make(map[float64]uint64, len(l.Buckets))
		for bound, n := range l.Buckets {
			buckets[bound.Seconds()] = n
		}
		desc := prometheus.NewDesc("dnsd_answer_seconds", "time from the read of a query to the write of its answer", []string{"by"}, nil)
		ch <- prometheus.MustNewConstHistogram(desc, l.Count, l.Sum.Seconds(), buckets, by)
	}
	for _, s := range c.samples(&stats) {
		var names, values []string
		for i := 0; i < len(s.labels); i += 2 {
			names, values = append(names, s.labels[i]), append(values, s.labels[i+1])
		}
		kind := prometheus.GaugeValue
		if s.counter {
			kind = prometheus.CounterValue
		}
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("dnsd_"+s.name, s.help, names, nil), kind, s.value, values...)
	}
}

func (c *collector) samples(stats *server.Stats) []sample {
	out := append(c.server(stats), c.loop()...)
	if c.h.o.Forward != nil {
		out = append(out, c.forward()...)
	}
	return out
}

func (c *collector) server(s *server.Stats) []sample {
	queries := "queries by transport"
	out := []sample{
		{"queries_total", queries, true, float64(s.UDP), []string{"transport", "udp"}},
		{"queries_total", queries, true, float64(s.TCP), []string{"transport", "tcp"}},
		{"queries_hot_total", "queries answered from wire-format records", true, float64(s.Hot), nil},
		{"queries_forwarded_total", "queries answered by asking others", true, float64(s.Forwarded), nil},
		{"queries_dropped_total", "packets that were no query, or over the rate limit", true, float64(s.Dropped), nil},
		{"queries_limited_total", "queries told to come by TCP because of the rate limit", true, float64(s.Limited), nil},
		{"queries_refused_total", "queries refused", true, float64(s.Refused), nil},
		{"queries_shed_total", "queries or connections turned away because too many wait", true, float64(s.Shed), nil},
		{"answers_truncated_total", "answers that were cut", true, float64(s.Truncated), nil},
		{"send_errors_total", "answers the kernel did not take", true, float64(s.SendErrors), nil},
		{"transfers_total", "zone transfers", true, float64(s.Transfers), nil},
		{"connections", "open TCP connections", false, float64(s.Connections), nil},
		{"queries_waiting", "queries that wait for an upstream", false, float64(s.InFlight), nil},
	}
	for code, n := range s.Rcodes {
		if text := dns.RcodeToString[code]; n > 0 && text != "" {
			out = append(out, sample{"answers_total", "answers by code", true, float64(n), []string{"rcode", strings.ToLower(text)}})
		}
	}
	return out
}

func (c *collector) loop() []sample {
	s := c.h.o.Daemon.Status()
	truth := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	out := []sample{
		{"zone_loaded", "1 once apps have been read", false, truth(s.Loaded), nil},
		{"zone_stale", "1 while the source has been silent for too long", false, truth(s.Stale), nil},
		{"zone_serial", "serial of the SOA records", false, float64(s.Serial), nil},
		{"zone_names", "names that have records", false, float64(s.Names), nil},
		{"zone_records", "records", false, float64(s.Records), nil},
		{"zone_changes_total", "zones published", true, float64(s.Changes), nil},
		{"zone_change_seconds_total", "time from snapshots to answers from them, all together", true, s.TookAll.Seconds(), nil},
		{"zone_expired", "1 while the source has been silent for so long that nothing is answered", false, truth(s.Expired), nil},
		{"zone_vips", "names of virtual addresses", false, float64(s.VIPs), nil},
		{"zone_fallbacks", "names of apps served although no task passes its checks", false, float64(s.Fallbacks), nil},
		{"zone_last_change_seconds", "time from a snapshot to answers from it, last time", false, s.Took.Seconds(), nil},
		{"apps", "apps of the source", false, float64(s.Apps), nil},
		{"apps_unreadable", "apps that could not be read", false, float64(len(s.Unreadable)), nil},
		{"source_connected", "1 while the event stream is up", false, truth(s.Watch.Connected), nil},
		{"source_events_total", "events seen", true, float64(s.Watch.EventsSeen), nil},
		{"source_reconnects_total", "event streams opened anew", true, float64(s.Watch.Reconnects), nil},
		{"problems", "names that collide or cannot be sent, labels that cannot be read", false, c.countProblems(s.Serial), nil},
	}
	for typ, n := range s.Types {
		out = append(out, sample{"zone_records_by_type", "records of a type", false, float64(n), []string{"type", typ}})
	}
	if !s.Time.IsZero() {
		out = append(out, sample{"source_last_seen_seconds", "when the source last confirmed what is served, Unix time", false,
			float64(s.Time.UnixMilli()) / 1000, nil})
	}
	return out
}

func (c *collector) forward() []sample {
	s := c.h.o.Forward()
	out := []sample{
		{"forward_requests_total", "queries given to the forwarder", true, float64(s.Requests), nil},
		{"forward_failures_total", "of these, without an answer", true, float64(s.Failures), nil},
		{"forward_cache_hits_total", "answers from the cache", true, float64(s.Hits), nil},
		{"forward_cache_misses_total", "answers that had to be asked for", true, float64(s.Misses), nil},
		{"forward_cache_stale_total", "expired answers served because nobody answered", true, float64(s.Stale), nil},
		{"forward_cache_entries", "answers in the cache", false, float64(s.Entries), nil},
	}
	for _, u := range s.Upstreams {
		labels := []string{"zone", u.Zone, "upstream", u.Addr}
		out = append(out,
			sample{"upstream_requests_total", "questions put to an upstream", true, float64(u.Asked), labels},
			sample{"upstream_failures_total", "of these, without an answer", true, float64(u.Failed), labels})
	}
	return out
}
