package httpapi

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"berth/orchestrator/api"
)

// metrics are what the server counts. The labels' values come from closed sets: routes, methods, status codes, states.
type metrics struct {
	requests    *prometheus.CounterVec
	durations   *prometheus.HistogramVec
	subscribers prometheus.Gauge
	dropped     prometheus.Counter
	gatherer    prometheus.Gatherer
}

func newMetrics(b Backend, reg *prometheus.Registry) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_http_requests_total",
			Help: "HTTP requests answered.",
		}, []string{"method", "route", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "berth_http_request_duration_seconds",
			Help:    "Time from a request to the end of its answer, streams aside.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"route"}),
		subscribers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "berth_event_subscribers",
			Help: "Event streams that are open.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "berth_event_streams_dropped_total",
			Help: "Event streams cut off because the reader was too slow or gone.",
		}),
		gatherer: reg,
	}
	for _, c := range []prometheus.Collector{m.requests, m.durations, m.subscribers, m.dropped, &state{b}} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

// state reads gauges from the backend when they are asked for.
type state struct{ backend Backend }

var (
	descApps = prometheus.NewDesc("berth_apps", "Apps defined.", nil, nil)
	descWant = prometheus.NewDesc("berth_instances_wanted", "Sum of the apps' instance counts.", nil, nil)
	descTask = prometheus.NewDesc("berth_tasks", "Tasks by state.", []string{"state"}, nil)
	descGood = prometheus.NewDesc("berth_tasks_healthy", "Tasks whose health checks all pass.", nil, nil)
	descDepl = prometheus.NewDesc("berth_deployments", "Deployments running.", nil, nil)
	descWait = prometheus.NewDesc("berth_queue_tasks", "Tasks waiting to be launched.", nil, nil)
	descNode = prometheus.NewDesc("berth_nodes", "Agents by state.", []string{"state"}, nil)
	descRev  = prometheus.NewDesc("berth_index", "Revision of the last stored change.", nil, nil)
)

// Describe implements prometheus.Collector.
func (s *state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descApps, descWant, descTask, descGood, descDepl, descWait, descNode, descRev} {
		ch <- d
	}
}

// livingStates are always shown, also when no task is in them.
var livingStates = []api.TaskState{
	api.TaskStaging, api.TaskStarting, api.TaskRunning, api.TaskKilling, api.TaskUnreachable,
}

// Collect implements prometheus.Collector.
func (s *state) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	gauge(descRev, int(s.backend.Index()))
	apps := s.backend.Apps()
	wanted, healthy, tasks := 0, 0, map[api.TaskState]int{}
	for _, a := range apps {
		wanted += a.Instances
		if a.TasksHealthy != nil {
			healthy += *a.TasksHealthy
		}
		for i := range a.Tasks {
			tasks[a.Tasks[i].State]++
		}
	}
	gauge(descApps, len(apps))
	gauge(descWant, wanted)
	gauge(descGood, healthy)
	for _, st := range livingStates {
		gauge(descTask, tasks[st], string(st))
	}
	nodes := map[string]int{}
	for _, n := range s.backend.Nodes() {
		nodes[n.State]++
	}
	for _, st := range api.NodeStates {
		gauge(descNode, nodes[st], st)
	}
	gauge(descDepl, len(s.backend.Deployments()))
	waiting := 0
	for _, q := range s.backend.Queue() {
		waiting += q.Count
	}
	gauge(descWait, waiting)
}
