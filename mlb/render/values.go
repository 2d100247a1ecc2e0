package render

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"berth/mlb/model"
)

// maxMatches bounds the names on one ACL line: HAProxy takes 64 words a line.
const maxMatches = 40

// healthValues are the values of the health templates, in the order of healthVars.
func healthValues(s *model.Service, port int, tls bool) []string {
	hc := s.HealthCheck
	portOptions, tlsOptions := "", ""
	if port != 0 {
		portOptions = " port " + strconv.Itoa(port)
	} else if len(s.Servers) > 0 {
		port = s.Servers[0].Port
	}
	if tls {
		tlsOptions = " check-ssl verify none"
	}
	timeout, interval := decimal(hc.TimeoutSeconds), decimal(hc.IntervalSeconds)
	grace, failures := decimal(hc.GracePeriodSeconds), strconv.Itoa(hc.MaxConsecutiveFailures)
	portText, index := strconv.Itoa(port), strconv.Itoa(hc.PortIndex)
	return []string{
		portText, index, hc.Protocol, hc.Path, timeout, interval, grace, failures,
		strconv.Itoa(hc.MaxConsecutiveFailures + 1), portOptions, duration(hc.TimeoutSeconds), duration(hc.IntervalSeconds),
		tlsOptions, hc.Protocol, hc.Path, index, portText, timeout, interval, grace, failures,
	}
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// duration is seconds in HAProxy's form, to the millisecond.
func duration(seconds float64) string {
	ms := int64(math.Max(1, math.Round(seconds*1000)))
	if ms%1000 == 0 {
		return strconv.FormatInt(ms/1000, 10) + "s"
	}
	return strconv.FormatInt(ms, 10) + "ms"
}

// realm is one word of the configuration.
func realm(s *model.Service) string {
	if s.Auth == nil {
		return ""
	}
	return strings.ReplaceAll(s.Auth.Realm, " ", `\ `)
}

// hostMatches is an ACL's match for any of the hosts, empty for none and for more than fit on a line, or when a
// wildcard is among several, as one ACL has one way to match.
func hostMatches(hosts []string) string {
	if len(hosts) == 0 || len(hosts) > maxMatches {
		return ""
	}
	if len(hosts) == 1 {
		return hostMatch(hosts[0])
	}
	for _, h := range hosts {
		if strings.HasPrefix(h, "*.") {
			return ""
		}
	}
	return "-m str " + strings.Join(hosts, " ")
}

// severalMatches is hostMatches for a service with more than one host.
func severalMatches(hosts []string) string {
	if len(hosts) < 2 {
		return ""
	}
	return hostMatches(hosts)
}

// hostMatch matches one lower-case host without port, or every name below a wildcard's domain.
func hostMatch(host string) string {
	if domain, ok := strings.CutPrefix(host, "*"); ok {
		return "-m end " + domain
	}
	return "-m str " + host
}

func firstExact(hosts []string) string {
	for _, h := range hosts {
		if !strings.HasPrefix(h, "*.") {
			return h
		}
	}
	return ""
}

// hostsRegex matches any of the hosts; without hosts any name.
func hostsRegex(hosts []string) string {
	if len(hosts) == 0 {
		return "[^/:]+"
	}
	parts := make([]string, len(hosts))
	for i, h := range hosts {
		parts[i] = strings.Replace(regexp.QuoteMeta(h), `\*\.`, `[^/:]+\.`, 1)
	}
	return strings.Join(parts, "|")
}

// foldRegex is a regular expression for the text in any case, without need of an option of the library HAProxy is built
// with.
func foldRegex(s string) string {
	var b strings.Builder
	for _, r := range s {
		lower, upper := strings.ToLower(string(r)), strings.ToUpper(string(r))
		if lower != upper {
			b.WriteString("[" + upper + lower + "]")
		} else {
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return b.String()
}

// escapeFormat writes a text where HAProxy expects a log format (manual section 8.2.4): there a percent sign begins a
// variable.
func escapeFormat(s string) string { return strings.ReplaceAll(s, "%", "%%") }
