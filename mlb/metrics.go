package mlb

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/mlb/plan"
)

// metrics are mlb's own; HAProxy has its exporter on the statistics port.
type metrics struct {
	registry *prometheus.Registry
	changes  *prometheus.CounterVec
	reloads  *prometheus.CounterVec
	failures prometheus.Counter
	commands prometheus.Counter
	duration *prometheus.HistogramVec
}

func newMetrics(l *LB) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mlb_changes_total",
			Help: "Snapshots applied, by what it took: none, runtime or reload."}, []string{"rung"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mlb_reloads_total",
			Help: "Reloads by the kind of their first reason."}, []string{"reason"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "mlb_apply_failures_total",
			Help: "Tries after which HAProxy kept its old configuration."}),
		commands: prometheus.NewCounter(prometheus.CounterOpts{Name: "mlb_runtime_commands_total",
			Help: "Commands sent over the Runtime API."}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "mlb_apply_duration_seconds",
			Help:    "Time from a snapshot to HAProxy doing it.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"rung"}),
	}
	for _, r := range []plan.Rung{plan.None, plan.Runtime, plan.Reload} {
		m.changes.WithLabelValues(r.String())
	}
	m.registry.MustRegister(m.changes, m.reloads, m.failures, m.commands, m.duration, &collector{l})
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: 5 * time.Second})
}

func (m *metrics) applied(r haproxy.Result, took time.Duration) {
	m.changes.WithLabelValues(r.Rung.String()).Inc()
	m.duration.WithLabelValues(r.Rung.String()).Observe(took.Seconds())
	m.commands.Add(float64(r.Commands))
	if r.Rung == plan.Reload {
		m.reloads.WithLabelValues(reasonClass(r.Reasons)).Inc()
	}
}

func (m *metrics) failure(took time.Duration) {
	m.failures.Inc()
	m.duration.WithLabelValues("failed").Observe(took.Seconds())
}

// reload counts one that somebody asked for.
func (m *metrics) reload(reason string, took time.Duration, err error) {
	if err != nil {
		m.failure(took)
		return
	}
	m.reloads.WithLabelValues(reason).Inc()
}

// reasonClass keeps names out of label values.
func reasonClass(reasons []string) string {
	if len(reasons) == 0 {
		return "other"
	}
	r := reasons[0]
	for _, c := range []struct{ word, class string }{
		{"haproxy starts", "start"}, {"nothing is known", "start"}, {"runtime commands failed", "runtime failed"},
		{"started again", "restarted"}, {"not valid", "repair"}, {"backend", "backend"}, {"frontend", "frontend"},
		{"server", "server"}, {"users", "users"}, {"global", "template"}, {"defaults", "template"}, {"listen", "template"},
	} {
		if strings.Contains(r, c.word) {
			return c.class
		}
	}
	return "other"
}

// collector reads the state when it is asked.
type collector struct{ l *LB }

var (
	descReady = prometheus.NewDesc("mlb_ready", "1 when the last change was applied and the state is current.", nil, nil)
	descLast  = prometheus.NewDesc("mlb_last_success_timestamp_seconds",
		"When HAProxy was last known to be in step.", nil, nil)
	descProblems = prometheus.NewDesc("mlb_problems", "Apps, labels and templates left out or ignored.",
		[]string{"severity"}, nil)
	descServices = prometheus.NewDesc("mlb_services", "Services in HAProxy.", nil, nil)
	descServers  = prometheus.NewDesc("mlb_servers", "Servers in HAProxy.", nil, nil)
	descSpare    = prometheus.NewDesc("mlb_spare_backends", "Backends kept in store for new apps, by state: free or claimed.",
		[]string{"state"}, nil)
	descOld = prometheus.NewDesc("mlb_haproxy_old_workers",
		"Workers of earlier configurations that finish their connections.", nil, nil)
	descRestarts = prometheus.NewDesc("mlb_haproxy_restarts_total", "How often HAProxy had died and was started again.",
		nil, nil)
	descConnected  = prometheus.NewDesc("mlb_watch_connected", "1 while the event stream is up.", nil, nil)
	descSync       = prometheus.NewDesc("mlb_watch_last_sync_timestamp_seconds", "When the state was last current.", nil, nil)
	descReconnects = prometheus.NewDesc("mlb_watch_reconnects_total", "Event streams opened anew.", nil, nil)
	descDisk       = prometheus.NewDesc("mlb_watch_from_disk", "1 while the remembered state is served.", nil, nil)
)

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descReady, descLast, descProblems, descServices, descServers, descSpare, descOld, descRestarts,
		descConnected, descSync, descReconnects, descDisk} {
		ch <- d
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s := c.l.Status()
	gauge(descReady, number(s.Ready))
	gauge(descLast, seconds(s.LastSuccess))
	count := map[string]int{model.SeverityError: 0, model.SeverityWarning: 0}
	for _, p := range c.l.Problems() {
		count[p.Severity]++
	}
	for severity, n := range count {
		gauge(descProblems, float64(n), severity)
	}
	gauge(descServices, float64(s.Services))
	gauge(descServers, float64(s.Servers))
	if s.Spare != nil {
		gauge(descSpare, float64(len(s.Spare.Claimed)), "claimed")
		gauge(descSpare, float64(s.Spare.Backends-len(s.Spare.Claimed)), "free")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if procs, err := c.l.opt.Proxy.Procs(ctx); err == nil {
		gauge(descOld, float64(len(procs.Old)))
	}
	ch <- prometheus.MustNewConstMetric(descRestarts, prometheus.CounterValue, float64(s.Restarts))
	gauge(descConnected, number(s.Watch.Connected))
	gauge(descSync, seconds(s.Watch.LastSync))
	ch <- prometheus.MustNewConstMetric(descReconnects, prometheus.CounterValue, float64(s.Watch.Reconnects))
	gauge(descDisk, number(s.Watch.FromDisk))
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
