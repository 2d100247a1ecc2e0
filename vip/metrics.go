package vip

import (
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"berth/vip/nft"
	"berth/vip/ruleset"
)

// maxSeries bounds the VIPs and backends that have metrics of their own; with more of them there are only sums.
const maxSeries = 10_000

type metrics struct {
	registry *prometheus.Registry
	steps    *prometheus.CounterVec
	duration prometheus.Histogram
	batch    prometheus.Histogram
	elements prometheus.Counter
}

func newMetrics(l *LB) *metrics {
	buckets := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		steps: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "vip_updates_total",
			Help: "Updates by result: ok, failed or uncertain."}, []string{"result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "vip_update_duration_seconds",
			Help: "Time from a snapshot to the rules being in force.", Buckets: buckets}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "vip_batch_duration_seconds",
			Help: "Time the kernel takes for a batch.", Buckets: buckets}),
		elements: prometheus.NewCounter(prometheus.CounterOpts{Name: "vip_elements_changed_total",
			Help: "Elements added to and deleted from the table."}),
	}
	for _, r := range []string{"ok", "failed", "uncertain"} {
		m.steps.WithLabelValues(r)
	}
	m.registry.MustRegister(m.steps, m.duration, m.batch, m.elements, &collector{l})
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: 10 * time.Second})
}

func (m *metrics) stepped(took time.Duration, err error) {
	m.duration.Observe(took.Seconds())
	switch {
	case err == nil:
		m.steps.WithLabelValues("ok").Inc()
	case errors.Is(err, nft.ErrUncertain):
		m.steps.WithLabelValues("uncertain").Inc()
	default:
		m.steps.WithLabelValues("failed").Inc()
	}
}

func (m *metrics) applied(b *ruleset.Batch, took time.Duration) {
	m.batch.Observe(took.Seconds())
	m.elements.Add(float64(b.Add.Len() + b.Del.Len()))
}

// collector reads the state when it is asked.
type collector struct{ l *LB }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	descReady     = desc("vip_ready", "1 when the last change is in force.")
	descVIPs      = desc("vip_vips", "VIPs.")
	descEmpty     = desc("vip_vips_without_backend", "VIPs that refuse connections because no backend is usable.")
	descBackends  = desc("vip_backends", "Backends by state.", "state")
	descProblems  = desc("vip_problems", "Labels left out or ignored.")
	descRepairs   = desc("vip_repairs_total", "Times the table was put right after somebody else changed it.")
	descForgotten = desc("vip_connections_forgotten_total", "Tracked connections ended because their backend was gone.")
	descTime      = desc("vip_programmed_timestamp_seconds", "When the rules were changed last.")
	descConns     = desc("vip_connections_total", "Connections by VIP.", "vip", "protocol")
	descBackend   = desc("vip_backend_connections_total", "Connections by VIP and backend.", "vip", "protocol", "backend")
	descConnected = desc("vip_watch_connected", "1 while the event stream is up.")
	descSync      = desc("vip_watch_last_sync_timestamp_seconds", "When the state was last current.")
)

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descReady, descVIPs, descEmpty, descBackends, descProblems, descRepairs, descForgotten,
		descTime, descConns, descBackend, descConnected, descSync} {
		ch <- d
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	s := c.l.view()
	send(descReady, prometheus.GaugeValue, number(c.l.Ready() == nil))
	send(descVIPs, prometheus.GaugeValue, float64(len(s.result.VIPs)))
	send(descProblems, prometheus.GaugeValue, float64(len(s.result.Problems)))
	send(descRepairs, prometheus.CounterValue, float64(s.repairs))
	send(descForgotten, prometheus.CounterValue, float64(s.forgotten))
	send(descTime, prometheus.GaugeValue, seconds(s.programmed))
	watch := c.l.opt.Source.Status()
	send(descConnected, prometheus.GaugeValue, number(watch.Connected))
	send(descSync, prometheus.GaugeValue, seconds(watch.LastSync))
	states := map[ruleset.State]int{}
	empty, backends := 0, 0
	for _, v := range s.result.VIPs {
		slots := 0
		for _, srv := range v.Services {
			slots += len(srv.Slots)
		}
		if backends += slots; slots == 0 {
			empty++
		}
		for _, m := range v.Members {
			states[m.State]++
		}
	}
	send(descEmpty, prometheus.GaugeValue, float64(empty))
	for state, n := range states {
		send(descBackends, prometheus.GaugeValue, float64(n), string(state))
	}
	if len(s.result.VIPs)+backends <= maxSeries {
		c.connections(s.result.VIPs, send)
	}
}

func (c *collector) connections(vips []*ruleset.VIP, send func(*prometheus.Desc, prometheus.ValueType, float64, ...string)) {
	n, err := c.l.counters(time.Now())
	if err != nil {
		return
	}
	for _, v := range vips {
		total := uint64(0)
		for _, s := range v.Services {
			total += n.services[s.Key]
			seen := map[string]bool{}
			for _, a := range s.Slots {
				if name := a.String(); !seen[name] {
					seen[name] = true
					send(descBackend, prometheus.CounterValue, float64(n.backends[backend{s.Key, a}]), v.HostPort(), v.Proto.String(), name)
				}
			}
		}
		send(descConns, prometheus.CounterValue, float64(total), v.HostPort(), v.Proto.String())
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
