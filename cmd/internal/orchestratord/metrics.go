package orchestratord

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// registry holds the metrics of this process; the API adds its own. certs may be nil.
func registry(certs *certificates) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	if certs != nil {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "berth_tls_certificate_expiry_seconds",
			Help: "When the API's certificate ends, in seconds since 1970.",
		}, func() float64 { return float64(certs.expiry().Unix()) }))
	}
	return reg
}
