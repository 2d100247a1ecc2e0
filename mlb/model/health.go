package model

import (
	"math"
	"regexp"
	"strconv"

	"berth/orchestrator/api"
)

var checkPathText = regexp.MustCompile(`^/[A-Za-z0-9._~!$&()*+,;=:@%/?-]{0,1000}$`)

// health selects the check of every service and settles its mode (marathon-lb.md sections 4.7, 6 and 9.5). The drafts
// are sorted by port.
func (b *unitBuild) health(a *api.App, drafts []*draft) {
	for _, d := range drafts {
		check := checkFor(a, d.Index)
		forced := false
		if check == nil && d.hasHealthIndex {
			check = checkFor(a, d.healthIndex)
			forced = check != nil && speaksHTTP(check.Protocol)
		}
		d.settleMode(check, forced)
		if check != nil {
			d.HealthCheck = b.healthCheck(check)
		}
	}
	for _, d := range drafts {
		b.serverChecks(d, drafts)
	}
}

// checkFor is the first check with a port of its own or with the service's index.
func checkFor(a *api.App, index int) *api.HealthCheck {
	for i := range a.HealthChecks {
		h := &a.HealthChecks[i]
		if h.Port != nil && *h.Port != 0 || h.PortIndex != nil && *h.PortIndex == index {
			return h
		}
	}
	return nil
}

func speaksHTTP(protocol string) bool {
	switch protocol {
	case api.ProtocolHTTP, api.ProtocolHTTPS, api.ProtocolMesosHTTP, api.ProtocolMesosHTTPS:
		return true
	}
	return false
}

// ChecksHTTP reports whether the servers are probed by a request rather than by a mere connection.
func (s *Service) ChecksHTTP() bool {
	return s.Mode == HTTP && s.HealthCheck != nil && speaksHTTP(s.HealthCheck.Protocol)
}

func (d *draft) settleMode(check *api.HealthCheck, forced bool) {
	switch {
	case forced:
		d.Mode = HTTP
	case d.modeSet:
	case check != nil && check.Protocol == api.ProtocolHTTP, len(d.VHosts) > 0:
		d.Mode = HTTP
	default:
		d.Mode = TCP
	}
}

func (b *unitBuild) healthCheck(h *api.HealthCheck) *HealthCheck {
	hc := &HealthCheck{
		Protocol: Shorten(h.Protocol), Path: "/", TimeoutSeconds: seconds(h.TimeoutSeconds, 20),
		IntervalSeconds: seconds(h.IntervalSeconds, 60), GracePeriodSeconds: seconds(h.GracePeriodSeconds, 300),
		MaxConsecutiveFailures: min(max(h.MaxConsecutiveFailures, 0), 1000),
	}
	if h.PortIndex != nil {
		hc.PortIndex = *h.PortIndex
	}
	if h.Port != nil && *h.Port > 0 && *h.Port <= maxPort {
		hc.Port = *h.Port
	}
	switch {
	case h.Path == "":
	case checkPathText.MatchString(h.Path):
		hc.Path = h.Path
	default:
		b.p.warnf("healthChecks", h.Path, "expected a path that starts with / and has only characters of URLs; "+
			"a connection is checked instead")
		hc.Protocol = api.ProtocolTCP
	}
	return hc
}

// seconds keeps a time within what HAProxy can count (24 days); what is not positive becomes the default of Marathon.
func seconds(v, standard float64) float64 {
	if math.IsNaN(v) || v <= 0 {
		return standard
	}
	return min(v, 24*24*3600)
}

// serverChecks says how HAProxy probes each server of d. A sticky service is always checked, as its cookie would lead
// clients to a dead server.
func (b *unitBuild) serverChecks(d *draft, drafts []*draft) {
	ports := b.checkPorts(d, drafts)
	hc := d.HealthCheck
	for i := range d.Servers {
		if hc == nil {
			if d.Sticky {
				d.Servers[i].Check = &Check{}
			}
			continue
		}
		c := &Check{
			Interval: max(1, int(math.Round(hc.IntervalSeconds*1000))), Fall: hc.MaxConsecutiveFailures + 1,
			Port: hc.Port, HTTP: d.ChecksHTTP(),
		}
		c.TLS = c.HTTP && (hc.Protocol == api.ProtocolHTTPS || hc.Protocol == api.ProtocolMesosHTTPS)
		if ports != nil && i < len(ports) {
			c.Port = ports[i]
		}
		d.Servers[i].Check = c
	}
	if hc != nil && len(ports) > 0 {
		hc.Port = ports[0]
	}
}

// checkPorts are the ports of the service that the label names, counted in sorted order, negative from the end; nil
// when there is none (section 9.5).
func (b *unitBuild) checkPorts(d *draft, drafts []*draft) []int {
	if !d.hasHealthIndex || d.HealthCheck == nil {
		return nil
	}
	k := d.healthIndex
	if k < 0 {
		k += len(drafts)
	}
	if k < 0 || k >= len(drafts) {
		b.p.warnf(d.key("BACKEND_HEALTHCHECK_PORT_INDEX"), strconv.Itoa(d.healthIndex), "expected an index below %d, the "+
			"number of the app's services; the own port is checked", len(drafts))
		return nil
	}
	ports := make([]int, len(drafts[k].Servers))
	for i, s := range drafts[k].Servers {
		ports[i] = s.Port
	}
	return ports
}
