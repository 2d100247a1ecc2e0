package api

import (
	"slices"
	"strings"
	"unicode"
)

func (d *draft) validateHealthChecks() {
	ports, beside := d.app.portCount(), 0
	for i := range d.app.HealthChecks {
		h := &d.app.HealthChecks[i]
		d.validateHealthCheck(item("/healthChecks", i), h, ports)
		if h.besideTask() {
			beside++
		}
	}
	if beside > 1 {
		d.add("/healthChecks", "at most one of the kinds MESOS_HTTP, MESOS_HTTPS, MESOS_TCP and COMMAND, found %d", beside)
	}
}

func (d *draft) validateHealthCheck(at string, h *HealthCheck, ports int) {
	known := oneOf(d, child(at, "protocol"), h.Protocol, ProtocolHTTP, ProtocolHTTPS, ProtocolTCP, ProtocolCommand,
		ProtocolMesosHTTP, ProtocolMesosHTTPS, ProtocolMesosTCP)
	between(d, child(at, "gracePeriodSeconds"), h.GracePeriodSeconds, 0, maxSeconds)
	between(d, child(at, "intervalSeconds"), h.IntervalSeconds, 0, maxSeconds)
	between(d, child(at, "timeoutSeconds"), h.TimeoutSeconds, 0, maxSeconds)
	between(d, child(at, "delaySeconds"), h.DelaySeconds, 0, maxSeconds)
	between(d, child(at, "maxConsecutiveFailures"), h.MaxConsecutiveFailures, 0, maxSeconds)
	if h.IPProtocol != "" {
		oneOf(d, child(at, "ipProtocol"), h.IPProtocol, "IPv4", "IPv6")
	}
	if strings.ContainsFunc(h.Path, unicode.IsControl) {
		d.add(child(at, "path"), "%s: must not contain control characters", quote(h.Path))
	}
	d.validateCheckCommand(child(at, "command"), h)
	if known && h.Protocol != ProtocolCommand {
		d.validateCheckPort(at, h, ports)
	}
}

func (d *draft) validateCheckCommand(at string, h *HealthCheck) {
	switch {
	case h.Protocol != ProtocolCommand && h.Command != nil:
		d.add(at, "only for protocol COMMAND, found protocol %s", quote(h.Protocol))
	case h.Protocol == ProtocolCommand && h.Command == nil:
		d.add(at, "missing; protocol COMMAND needs it")
	case h.Protocol == ProtocolCommand && h.Command.Value == "":
		d.add(child(at, "value"), "must not be empty")
	case h.Command != nil:
		d.noNUL(child(at, "value"), h.Command.Value)
	}
}

func (d *draft) validateCheckPort(at string, h *HealthCheck, ports int) {
	switch {
	case h.Port != nil && h.PortIndex != nil:
		d.add(child(at, "port"), "cannot stand beside portIndex")
	case h.Port != nil:
		between(d, child(at, "port"), *h.Port, 1, maxPort)
	case h.PortIndex == nil:
		d.add(at, "needs a port: the app has none, give port")
	case *h.PortIndex < 0 || *h.PortIndex >= ports:
		d.add(child(at, "portIndex"), "expected the position of one of the app's %d ports, counted from 0, found %d",
			ports, *h.PortIndex)
	}
}

func (d *draft) validateReadiness() {
	if n := len(d.app.ReadinessChecks); n > 1 {
		d.add("/readinessChecks", "expected at most 1, found %d", n)
		return
	}
	for i := range d.app.ReadinessChecks {
		d.validateReadinessCheck(item("/readinessChecks", i), &d.app.ReadinessChecks[i])
	}
}

func (d *draft) validateReadinessCheck(at string, r *ReadinessCheck) {
	if r.Name == "" {
		d.add(child(at, "name"), "must not be empty")
	}
	oneOf(d, child(at, "protocol"), r.Protocol, ProtocolHTTP, ProtocolHTTPS)
	if !slices.Contains(d.app.portNames(), r.PortName) {
		d.add(child(at, "portName"), "no port of this app is called %s", quote(r.PortName))
	}
	if strings.ContainsFunc(r.Path, unicode.IsControl) {
		d.add(child(at, "path"), "%s: must not contain control characters", quote(r.Path))
	}
	between(d, child(at, "intervalSeconds"), r.IntervalSeconds, 1, maxSeconds)
	between(d, child(at, "timeoutSeconds"), r.TimeoutSeconds, 1, maxSeconds)
	if r.TimeoutSeconds >= r.IntervalSeconds {
		d.add(child(at, "timeoutSeconds"), "expected less than intervalSeconds (%d), found %d",
			r.IntervalSeconds, r.TimeoutSeconds)
	}
	if len(r.HTTPStatusCodesForReady) == 0 {
		d.add(child(at, "httpStatusCodesForReady"), "must not be empty")
	}
	for j, code := range r.HTTPStatusCodesForReady {
		between(d, item(child(at, "httpStatusCodesForReady"), j), code, 100, 999)
	}
}
