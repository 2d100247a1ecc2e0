package httpapi

import (
	"math"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"berth/orchestrator/api"
)

// metricsAny is GET /metrics: JSON as Marathon's, or Prometheus' text when that is asked for.
func (s *Server) metricsAny(w http.ResponseWriter, c *call) error {
	accept := c.Header.Get("Accept")
	if wantsText(accept) || accepts(accept, "application/openmetrics-text") {
		return s.metricsText(w, c)
	}
	return s.metricsJSON(w, c)
}

// metricsText is GET /metrics/prometheus.
func (s *Server) metricsText(w http.ResponseWriter, c *call) error {
	opt := promhttp.HandlerOpts{EnableOpenMetrics: true, ErrorHandling: promhttp.ContinueOnError}
	promhttp.HandlerFor(s.metrics.gatherer, opt).ServeHTTP(w, c.Request)
	return nil
}

type metricsBody struct {
	Start      api.Timestamp            `json:"start"`
	Counters   map[string]jsonCounter   `json:"counters"`
	Gauges     map[string]jsonGauge     `json:"gauges"`
	Histograms map[string]jsonHistogram `json:"histograms"`
}

type jsonCounter struct {
	Count float64 `json:"count"`
}

type jsonGauge struct {
	Value float64 `json:"value"`
}

type jsonHistogram struct {
	Count uint64  `json:"count"`
	Sum   float64 `json:"sum"`
	Mean  float64 `json:"mean"`
}

func (s *Server) metricsJSON(w http.ResponseWriter, c *call) error {
	families, err := s.metrics.gatherer.Gather()
	if err != nil {
		return err
	}
	body := metricsBody{
		Start:      started,
		Counters:   map[string]jsonCounter{},
		Gauges:     map[string]jsonGauge{},
		Histograms: map[string]jsonHistogram{},
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += "." + l.GetValue()
			}
			switch {
			case m.Counter != nil:
				body.Counters[name] = jsonCounter{finite(m.Counter.GetValue())}
			case m.Gauge != nil:
				body.Gauges[name] = jsonGauge{finite(m.Gauge.GetValue())}
			case m.Histogram != nil:
				body.Histograms[name] = histogramOf(m.Histogram.GetSampleCount(), m.Histogram.GetSampleSum())
			}
		}
	}
	return s.reply(w, c, http.StatusOK, body)
}

func histogramOf(count uint64, sum float64) jsonHistogram {
	h := jsonHistogram{Count: count, Sum: finite(sum)}
	if count > 0 {
		h.Mean = h.Sum / float64(count)
	}
	return h
}

// started is when this process began to count.
var started = api.TimestampOf(time.Now())

// finite keeps out what JSON has no form for.
func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}
