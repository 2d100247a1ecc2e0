package api

import (
	"cmp"
	"math"
	"net/url"
	"path"
	"strings"
)

// Upper limits that keep sums and conversions far from overflow; no real app comes near them.
const (
	maxCPUs    = 1e6
	maxMiB     = 1e12
	maxSeconds = 1e9 // 31 years; fits time.Duration
	maxURI     = 1024
)

// validate checks a normalised app against the rules of sections 3, 5.2, 11 and 12.3 and warns about what is allowed
// but unlikely to be meant.
func (d *draft) validate() {
	d.validateCommand()
	d.validateResources()
	d.validateTimes()
	d.validateWords()
	d.validateFetch()
	d.validateDependencies()
	d.validateSingleInstance()
	d.validateDeadline()
	d.validateCanary()
	d.validateConstraints()
	d.validateNetworks()
	d.validateContainer()
	d.validatePorts()
	d.validateHealthChecks()
	d.validateReadiness()
	d.warnings()
}

func (d *draft) validateCommand() {
	a := d.app
	switch {
	case a.Cmd != "" && len(a.Args) > 0:
		d.add("/", "cmd and args cannot both be given")
	case a.Cmd == "" && len(a.Args) == 0 && !d.given["cmd"] && a.isProcess():
		d.add("/", "expected one of cmd, args or a container with an image")
	}
	d.noNUL("/cmd", a.Cmd)
	d.noNUL("/user", a.User)
	for i, s := range a.Args {
		d.noNUL(item("/args", i), s)
	}
	for name, value := range sorted(a.Env) {
		at := child("/env", name)
		if name == "" || strings.ContainsAny(name, "=\x00") {
			d.add(at, "name %s: expected one that is not empty and has no = or NUL in it", quote(name))
		}
		d.noNUL(at, value)
	}
	for name, value := range sorted(a.Labels) { // a task finds its labels in its environment
		at := child("/labels", name)
		d.noNUL(at, name)
		d.noNUL(at, value)
	}
}

// isProcess reports whether there is no image that could bring a command of its own.
func (a *App) isProcess() bool {
	return a.Container == nil || a.Container.Type == ContainerMesos && a.Image() == ""
}

func (d *draft) noNUL(at, s string) {
	if strings.ContainsRune(s, 0) {
		d.add(at, "must not contain NUL")
	}
}

func (d *draft) validateResources() {
	a := d.app
	between(d, "/instances", a.Instances, 0, math.MaxInt32)
	between(d, "/cpus", a.CPUs, 0.001, maxCPUs)
	between(d, "/mem", a.Mem, 0, maxMiB)
	between(d, "/disk", a.Disk, 0, maxMiB)
	if a.GPUs != 0 {
		d.add("/gpus", "not supported; expected 0, found %d", a.GPUs)
	}
	d.validateLimit("cpus", a.CPUs)
	d.validateLimit("mem", a.Mem)
	for name, v := range sorted(a.ExecutorResources) {
		if f, ok := v.(float64); !ok || f < 0 {
			d.add(child("/executorResources", name), "expected a number of at least 0")
		}
	}
}

// validateLimit checks a member of resourceLimits against the resource it bounds.
func (d *draft) validateLimit(name string, resource float64) {
	v, ok := d.app.ResourceLimits[name]
	if !ok || v == "unlimited" {
		return
	}
	if f, ok := v.(float64); !ok || f < resource {
		d.add(child("/resourceLimits", name), `expected "unlimited" or a number of at least %v`, resource)
	}
}

func (d *draft) validateTimes() {
	a := d.app
	between(d, "/backoffSeconds", a.BackoffSeconds, 0, maxSeconds)
	between(d, "/backoffFactor", a.BackoffFactor, 1, maxSeconds)
	between(d, "/maxLaunchDelaySeconds", a.MaxLaunchDelaySeconds, 0, maxSeconds)
	if s := a.TaskKillGracePeriodSeconds; s != nil {
		between(d, "/taskKillGracePeriodSeconds", *s, 0, maxSeconds)
	}
	between(d, "/upgradeStrategy/minimumHealthCapacity", a.UpgradeStrategy.MinimumHealthCapacity, 0, 1)
	between(d, "/upgradeStrategy/maximumOverCapacity", a.UpgradeStrategy.MaximumOverCapacity, 0, 1)
	if u := a.UnreachableStrategy; !u.Disabled {
		between(d, "/unreachableStrategy/inactiveAfterSeconds", u.InactiveAfterSeconds, 0, maxSeconds)
		between(d, "/unreachableStrategy/expungeAfterSeconds", u.ExpungeAfterSeconds, 0, maxSeconds)
		if u.InactiveAfterSeconds > u.ExpungeAfterSeconds {
			d.add("/unreachableStrategy", "inactiveAfterSeconds (%d) must not exceed expungeAfterSeconds (%d)",
				u.InactiveAfterSeconds, u.ExpungeAfterSeconds)
		}
	}
}

func (d *draft) validateWords() {
	a := d.app
	oneOf(d, "/executor", a.Executor, "", "//cmd")
	oneOf(d, "/killSelection", a.KillSelection, YoungestFirst, OldestFirst)
	if a.AcceptedResourceRoles != nil && len(a.AcceptedResourceRoles) == 0 {
		d.add("/acceptedResourceRoles", "must not be empty when given")
	}
	d.unique("/acceptedResourceRoles", a.AcceptedResourceRoles)
}

func (d *draft) validateFetch() {
	at := "/fetch"
	if len(d.sent.Fetch) == 0 && d.given["uris"] {
		at = "/uris"
	}
	for i, f := range d.app.Fetch {
		here := item(at, i)
		if at == "/fetch" {
			here = child(here, "uri")
		}
		switch _, err := url.Parse(f.URI); {
		case f.URI == "":
			d.add(here, "must not be empty")
		case len(f.URI) > maxURI:
			d.add(here, "has %d characters, the limit is %d", len(f.URI), maxURI)
		case err != nil:
			d.add(here, "%s is not a URI", quote(f.URI))
		}
		if !insideSandbox(f.DestPath) {
			d.add(child(item(at, i), "destPath"), "%s: expected a relative path that stays in the sandbox", quote(f.DestPath))
		}
	}
}

// insideSandbox reports whether a path is relative and does not climb out.
func insideSandbox(p string) bool {
	clean := path.Clean(p)
	return !path.IsAbs(p) && clean != ".." && !strings.HasPrefix(clean, "../") && !strings.ContainsRune(p, 0)
}

func (d *draft) validateDependencies() {
	for i, id := range d.app.Dependencies {
		if id != "" && id == d.app.ID {
			d.add(item("/dependencies", i), "the app depends on itself: cyclic dependencies")
		}
	}
}

func (d *draft) validateSingleInstance() {
	a := d.app
	if a.Labels[LabelSingleInstance] != "true" {
		return
	}
	if a.Instances > 1 {
		d.add("/instances", "label %s allows at most 1, found %d", LabelSingleInstance, a.Instances)
	}
	if a.UpgradeStrategy != (UpgradeStrategy{}) {
		d.add("/upgradeStrategy", "label %s needs minimumHealthCapacity 0 and maximumOverCapacity 0", LabelSingleInstance)
	}
}

// between checks that low <= v <= high.
func between[T cmp.Ordered](d *draft, at string, v, low, high T) {
	switch {
	case v < low:
		d.add(at, "expected at least %v, found %v", low, v)
	case v > high:
		d.add(at, "expected at most %v, found %v", high, v)
	}
}

func oneOf(d *draft, at, v string, words ...string) bool {
	for _, w := range words {
		if v == w {
			return true
		}
	}
	for i, w := range words {
		words[i] = quote(w)
	}
	d.add(at, "expected %s, found %s", strings.Join(words, " or "), quote(v))
	return false
}

func (d *draft) unique(at string, words []string) {
	seen := map[string]bool{}
	for i, w := range words {
		if seen[w] {
			d.add(item(at, i), "%s is repeated", quote(w))
		}
		seen[w] = true
	}
}
