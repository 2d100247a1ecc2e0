package render

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/mlb/model"
)

// SpareCheckTimeout is how long a spare backend waits for the answer to a check, whoever claims it: Marathon's default.
// A service whose checks may take longer does not fit.
const SpareCheckTimeout = 20 * time.Second

// spare writes a backend kept in store. But for its servers, the text is the same whoever has claimed it.
func (r *Renderer) spare(b *bytes.Buffer, f *Fragment) error {
	text, err := r.blank(b, f.Service.Name, f.Service.Mode)
	if err == nil && f.Service.Mode == model.HTTP {
		timeout := strconv.FormatInt(SpareCheckTimeout.Milliseconds(), 10)
		err = r.put(b, nil, "SPARE_BACKEND_CHECK", r.opt.MapDir, timeout)
		text += take(b)
	}
	if err != nil {
		return err
	}
	f.Backend = text
	if err := r.servers(b, f); err != nil {
		return err
	}
	if err := checkFragment(f); err != nil {
		return err
	}
	f.seal()
	return nil
}

// blank is the backend of a service that asks for nothing in particular.
func (r *Renderer) blank(b *bytes.Buffer, name string, mode model.Mode) (string, error) {
	return r.backend(b, plain(name, mode))
}

func plain(name string, mode model.Mode) *model.Service {
	return &model.Service{Name: name, Port: 1, Mode: mode, Balance: "roundrobin", BindAddr: "*"}
}

// FitsSpare says whether a spare backend with a spare port serves s as well as a backend and frontend of its own would:
// the texts of these, but for the check, are those of a service that asks for nothing in particular.
func (r *Renderer) FitsSpare(s *model.Service) bool {
	if s.Unbound || s.Auth != nil || s.Sticky || s.PathFlags != "" || len(s.Templates) > 0 || !r.fitsCheck(s) {
		return false
	}
	const name = "x"
	own := *s
	own.Name, own.Port, own.HealthCheck = name, 1, nil
	var b bytes.Buffer
	return r.sameText(&b, &own, plain(name, s.Mode), r.backend) && r.sameText(&b, &own, plain(name, s.Mode), r.frontend)
}

func (r *Renderer) sameText(b *bytes.Buffer, x, y *model.Service, f func(*bytes.Buffer, *model.Service) (string, error)) bool {
	one, err := f(b, x)
	two, err2 := f(b, y)
	return err == nil && err2 == nil && one == two
}

// fitsCheck: in mode http a spare backend checks by HTTP, in mode tcp by connecting, if its servers are checked at all.
func (r *Renderer) fitsCheck(s *model.Service) bool {
	h := s.HealthCheck
	if h == nil {
		return true
	}
	if s.Mode == model.TCP {
		return !r.replaced["BACKEND_TCP_HEALTHCHECK_OPTIONS"]
	}
	return s.ChecksHTTP() && !r.replaced["BACKEND_HTTP_HEALTHCHECK_OPTIONS"] &&
		h.TimeoutSeconds <= SpareCheckTimeout.Seconds()
}

// SparesPossible says whether the operator's own templates leave room for spare backends: whoever replaced the text of a
// service's frontend wants it to be used.
func (r *Renderer) SparesPossible() bool {
	return !r.replaced["FRONTEND_HEAD"] && !r.replaced["FRONTEND_BACKEND_GLUE"] && !r.replaced["FRONTEND_HTTP_OPTIONS"]
}

func (r *Renderer) spareFrontends(s *model.Spare) string {
	return r.text("SPARE_FRONTENDS", r.spareBinds(s.Ports), r.opt.SpareSocket, r.opt.User, r.opt.MapDir)
}

// spareBinds joins neighbouring ports to ranges.
func (r *Renderer) spareBinds(ports []int) string {
	var list []string
	for len(ports) > 0 {
		n := 1
		for n < len(ports) && ports[n] == ports[0]+n {
			n++
		}
		text := r.bind(ports[0])
		if n > 1 {
			text += "-" + strconv.Itoa(ports[n-1])
		}
		list = append(list, text)
		ports = ports[n:]
	}
	return strings.Join(list, ",")
}

// spareMaps lead from ports to backends, for connections that came in on a port in store, and say where claimed backends are
// checked.
func spareMaps(m *model.Model) []Map {
	if m.Spare == nil {
		return nil
	}
	routes := slices.Clone(m.Spare.Settled)
	var checks bytes.Buffer
	for _, s := range m.Services {
		if !s.Spare {
			break // they come first
		}
		if s.Proper == "" {
			continue
		}
		routes = append(routes, model.PortRoute{Port: s.Port, Backend: s.Name})
		if s.ChecksHTTP() {
			line(&checks, s.Name, s.HealthCheck.Path)
		}
	}
	slices.SortStableFunc(routes, func(a, b model.PortRoute) int { return a.Port - b.Port })
	ports := bytes.NewBuffer(make([]byte, 0, 40*len(routes)))
	for _, r := range routes {
		line(ports, strconv.Itoa(r.Port), r.Backend)
	}
	return []Map{{PortMap, ports.Bytes()}, {CheckMap, checks.Bytes()}}
}

func joinMaps(routes, stored []Map) []Map {
	if len(stored) == 0 {
		return routes
	}
	list := slices.Concat(routes, stored)
	slices.SortFunc(list, func(a, b Map) int { return strings.Compare(a.Name, b.Name) })
	return list
}
