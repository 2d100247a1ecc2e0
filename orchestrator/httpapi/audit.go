package httpapi

import (
	"net/http"
	"time"
)

// AuditRecord says who asked for what, when, from where, and with what result.
type AuditRecord struct {
	Time   time.Time `json:"time"` // when the request came
	User   string    `json:"user,omitempty"`
	Role   Role      `json:"role,omitempty"` // absent: not let in
	Remote string    `json:"remote"`         // address and port
	Method string    `json:"method"`
	URI    string    `json:"uri"`
	Route  string    `json:"route"` // the endpoint that URI is one of
	Agent  string    `json:"agent,omitempty"`
	Status int       `json:"status"`
	// Message is why it was refused.
	Message    string  `json:"message,omitempty"`
	Deployment string  `json:"deployment,omitempty"`
	Detail     string  `json:"detail,omitempty"` // what was done, where the URI does not say it
	Millis     float64 `json:"ms"`               // until the end of the answer
	// Suppressed counts records of requests from the same address without valid credentials, left out before this one.
	Suppressed int `json:"suppressed,omitempty"`
}

// maxAuditText bounds each text of a record, in bytes.
const maxAuditText = 2048

// audit passes on a record of every request that changes something, and of everyone that was refused. Who is not let in
// can make at most one record a second in the long run, so that a flood does not wash the others out of the file.
func (s *Server) audit(w *recorder, c *call, status int, took time.Duration) {
	refused := status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests
	if s.opt.Audit == nil || !c.changes() && !refused {
		return
	}
	r := AuditRecord{
		Time: s.opt.Now().Add(-took).UTC(), User: cut(c.who), Role: c.role, Remote: c.RemoteAddr, Method: cut(c.Method),
		URI: cut(c.URL.RequestURI()), Route: string(c.route), Agent: cut(c.UserAgent()), Status: status,
		Message: cut(c.refused), Deployment: w.Header().Get("Marathon-Deployment-Id"), Detail: cut(c.detail),
		Millis: float64(took.Microseconds()) / 1000,
	}
	if c.role == "" {
		var ok bool
		if r.Suppressed, ok = s.strangers.take(network(c.clientIP()), s.opt.Now()); !ok {
			return
		}
	}
	s.opt.Audit(r)
}

func cut(text string) string {
	if len(text) > maxAuditText {
		return text[:maxAuditText] + "..."
	}
	return text
}
