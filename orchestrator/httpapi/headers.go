package httpapi

import (
	"net/http"
	"slices"
)

// setHeaders puts in what every answer carries (marathon-api.md section 2). The static page may be cached and sets its
// own.
func (s *Server) setHeaders(h http.Header, c *call) {
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-XSS-Protection", "1; mode=block")
	if s.opt.Advertise != "" {
		h.Set("X-Marathon-Leader", scheme(c.Request)+"://"+s.opt.Advertise)
	}
	if c.route != routeUI {
		h.Set("Cache-Control", "no-cache, no-store, must-revalidate")
		h.Set("Pragma", "no-cache")
		h.Set("Expires", "0")
	}
	if s.trusts(c.Request) {
		h.Set("Access-Control-Allow-Origin", c.Header.Get("Origin"))
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Expose-Headers", "Marathon-Deployment-Id, X-Berth-Index, X-Warnings, X-Unknown-Fields")
		h.Add("Vary", "Origin")
	}
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func (s *Server) trusts(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin != "" && slices.Contains(s.opt.Origins, origin)
}

// preflight answers a browser's question whether a page of a configured origin may write. It carries no credentials, so
// it comes before authentication.
func (s *Server) preflight(w http.ResponseWriter, c *call) bool {
	asked := c.Header.Get("Access-Control-Request-Method") != ""
	if c.Method != http.MethodOptions || !asked || !s.trusts(c.Request) {
		return false
	}
	methods := allow(endpoints[c.route])
	w.Header().Set("Allow", methods)
	w.Header().Set("Access-Control-Allow-Methods", methods)
	w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept")
	w.Header().Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}
