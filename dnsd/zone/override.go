package zone

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"berth/orchestrator/api"
)

// Labels of an app that change its records.
const (
	LabelEnabled = "BERTH_DNS"        // false: no records at all
	LabelTTL     = "BERTH_DNS_TTL"    // seconds, 0 to 86400
	LabelSource  = "BERTH_DNS_SOURCE" // auto, host or netinfo: where its tasks' addresses are taken from
	LabelNames   = "BERTH_DNS_NAMES"  // further names below the domain, comma-separated, at most maxAliases
	LabelHealth  = "BERTH_DNS_HEALTH" // off: publish tasks while they start, and when their checks fail
)

const (
	maxAliases = 16
	maxTTL     = 86400
)

// overrides are what an app's own labels ask for.
type overrides struct {
	off, unchecked bool
	ttl            *uint32
	source         Source
	aliases        []string
}

// overridesOf reads the labels; one that is wrong is reported and has no effect.
func overridesOf(a *api.AppInfo, o *Options) (v overrides, problems []string) {
	wrong := func(label, want string) {
		problems = append(problems, fmt.Sprintf("label %s=%.100q: expected %s", label, a.Labels[label], want))
	}
	if s, ok := a.Labels[LabelEnabled]; ok {
		on, err := strconv.ParseBool(s)
		if v.off = err == nil && !on; err != nil {
			wrong(LabelEnabled, "true or false")
		}
	}
	if s, ok := a.Labels[LabelTTL]; ok {
		if n, err := strconv.ParseUint(s, 10, 32); err == nil && n <= maxTTL {
			ttl := uint32(n)
			v.ttl = &ttl
		} else {
			wrong(LabelTTL, "seconds from 0 to 86400")
		}
	}
	if s, ok := a.Labels[LabelSource]; ok {
		if v.source = Source(s); !slices.Contains([]Source{SourceAuto, SourceHost, SourceNetinfo}, v.source) {
			v.source = ""
			wrong(LabelSource, "auto, host or netinfo")
		}
	}
	if s, ok := a.Labels[LabelHealth]; ok {
		if v.unchecked = s == "off"; !v.unchecked && s != "on" {
			wrong(LabelHealth, "on or off")
		}
	}
	if s, ok := a.Labels[LabelNames]; ok {
		if v.aliases = aliases(s, o); v.aliases == nil {
			wrong(LabelNames, "up to 16 names, comma-separated, none of them the cluster's or below a framework's")
		}
	}
	return v, problems
}

// aliases returns nil if any name is unusable.
func aliases(s string, o *Options) []string {
	var out []string
	for _, name := range strings.Split(s, ",") {
		name = strings.ToLower(strings.Trim(name, " ."))
		if !encodable(name) || len(out) == maxAliases || reserved(name, o) {
			return nil
		}
		out = append(out, name)
	}
	return out
}

// reserved reports whether a name below the domain is one that other apps or the cluster get by rule: no app may add itself to
// those.
func reserved(name string, o *Options) bool {
	top := name[strings.LastIndexByte(name, '.')+1:]
	for _, f := range append([]string{o.Framework}, o.Frameworks...) {
		if below(name, f) || below(f, name) {
			return true
		}
	}
	switch {
	case name+"."+o.Domain == o.SOA.Mname:
		return true
	case slices.Contains([]string{"slave", "agent", "leader", "_tcp", "_udp"}, top):
		return true
	}
	number, master := strings.CutPrefix(top, "master")
	return master && strings.Trim(number, "0123456789") == ""
}
