package httpapi

import (
	"net/http"
	"strconv"
	"time"
)

// recorder remembers what was answered, for the log and the metrics.
type recorder struct {
	http.ResponseWriter
	status int // 0: nothing sent yet
	bytes  int64
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// finish counts and logs a request: every one at debug, writes also at info, as the record of who changed what.
func (s *Server) finish(w *recorder, c *call, took time.Duration) {
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	s.metrics.requests.WithLabelValues(methodLabel(c.Method), string(c.route), strconv.Itoa(status)).Inc()
	if !c.lasting() {
		s.metrics.durations.WithLabelValues(string(c.route)).Observe(took.Seconds())
	}
	s.audit(w, c, status, took)
	attrs := []any{
		"method", c.Method, "uri", c.URL.RequestURI(), "remote", c.RemoteAddr, "user", c.who, "status", status,
	}
	if writes(c.Method) && c.route != routeAcks { // acknowledgements come with every change and change nothing themselves
		deployment := w.Header().Get("Marathon-Deployment-Id")
		s.log.With(attrs...).Info("write", "deployment", deployment)
	}
	s.log.With(attrs...).Debug("request", "bytes", w.bytes, "took", took)
}

// methodLabel keeps made-up methods out of the metrics' labels.
func methodLabel(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions:
		return m
	}
	return "other"
}
