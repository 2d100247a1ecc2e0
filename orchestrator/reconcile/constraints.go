package reconcile

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"berth/orchestrator/api"
)

// Names of the fields of a constraint that are not attributes (marathon-api.md section 12.3).
const (
	fieldHostname   = "hostname"
	fieldHostnameAt = "@hostname"
	fieldRegion     = "@region"
	fieldZone       = "@zone"
)

// constraint is one of an app's constraints, together with how its tasks are spread over the values of the field.
type constraint struct {
	field, operator, value string

	pattern *regexp.Regexp // of LIKE and UNLIKE
	n       int            // of MAX_PER and GROUP_BY
	known   []string       // of GROUP_BY: values of the agents that may run the app, sorted
	counts  map[string]int // tasks of the app by value of the field
	first   string         // of CLUSTER: the value of the app's first task
}

// constraintsOf prepares an app's constraints for one attempt to place its tasks. Only tasks of the wanted configuration
// count, and those of them that are to go until they are gone: a replacement beside its predecessor would break UNIQUE.
func (s *situation) constraintsOf() []*constraint {
	var out []*constraint
	for _, c := range s.app.Def.Constraints {
		if len(c) < 2 {
			continue // the API refuses such
		}
		k := &constraint{field: c[0], operator: c[1], counts: map[string]int{}}
		if len(c) > 2 {
			k.value = c[2]
		}
		switch k.operator {
		case api.OperatorLike, api.OperatorUnlike:
			// What does not compile was refused as well; it fits nowhere.
			k.pattern, _ = regexp.Compile("^(?:" + k.value + ")$")
		case api.OperatorMaxPer, api.OperatorGroupBy:
			k.n, _ = strconv.Atoi(k.value)
		}
		out = append(out, k)
	}
	if len(out) == 0 {
		return nil
	}
	for _, t := range s.counted() {
		if agent := s.c.agent(t.Agent); agent != nil {
			for _, k := range out {
				k.add(agent)
			}
		}
	}
	for _, k := range out {
		if k.operator == api.OperatorGroupBy {
			k.known = s.knownValues(k.field, out)
		}
	}
	return out
}

// counted are the tasks that constraints count.
func (s *situation) counted() []*Task {
	return append(slices.Clone(s.now), s.going...)
}

// knownValues are the values that a field has on the agents that could run the app at all, were there room.
func (s *situation) knownValues(field string, all []*constraint) []string {
	values := map[string]bool{}
	for i := range s.c.in.Agents {
		a := &s.c.in.Agents[i]
		if v, ok := a.field(field); ok && s.mayRun(a, all) {
			values[v] = true
		}
	}
	return slices.Sorted(maps.Keys(values))
}

func (s *situation) mayRun(a *Agent, all []*constraint) bool {
	if roleRefusal(a, s.app.Def) != "" {
		return false
	}
	if _, bad := kindRefusal(a, s.app.Def); bad {
		return false
	}
	return !slices.ContainsFunc(all, func(k *constraint) bool { return !k.counting() && k.refusal(a) != "" })
}

// counting reports whether a constraint looks at where other tasks of the app are.
func (k *constraint) counting() bool {
	switch k.operator {
	case api.OperatorUnique, api.OperatorGroupBy, api.OperatorMaxPer:
		return true
	}
	return k.operator == api.OperatorCluster && k.value == ""
}

// add counts a task on an agent.
func (k *constraint) add(a *Agent) {
	v, ok := a.field(k.field)
	if !ok {
		return
	}
	if len(k.counts) == 0 {
		k.first = v
	}
	k.counts[v]++
}

// refusal says why an agent does not fit, or "". An agent without the field fits UNLIKE only.
func (k *constraint) refusal(a *Agent) string {
	v, ok := a.field(k.field)
	if !ok {
		if k.operator == api.OperatorUnlike {
			return ""
		}
		return fmt.Sprintf("constraint %s: agent %s has no %s", k, a.ID, k.field)
	}
	why := k.why(v)
	if why == "" {
		return ""
	}
	return fmt.Sprintf("constraint %s: agent %s has %s %s, %s", k, a.ID, k.field, v, why)
}

// why says why a value of the field does not do, or "".
func (k *constraint) why(v string) string {
	switch k.operator {
	case api.OperatorUnique:
		if n := k.counts[v]; n > 0 {
			return fmt.Sprintf("where the app runs %d already", n)
		}
	case api.OperatorCluster:
		switch {
		case k.value != "" && !sameValue(k.value, v):
			return "expected " + k.value
		case k.value == "" && len(k.counts) > 0 && v != k.first:
			return "the app's tasks are at " + k.first
		}
	case api.OperatorIs:
		if !sameValue(k.value, v) {
			return "expected " + k.value
		}
	case api.OperatorLike:
		if k.pattern == nil || !k.pattern.MatchString(v) {
			return "which does not match"
		}
	case api.OperatorUnlike:
		if k.pattern == nil || k.pattern.MatchString(v) {
			return "which matches"
		}
	case api.OperatorMaxPer:
		if n := k.counts[v]; n >= k.n {
			return fmt.Sprintf("where the app runs %d of %d allowed", n, k.n)
		}
	case api.OperatorGroupBy:
		return k.level(v)
	default:
		return "and the operator " + k.operator + " is not known"
	}
	return ""
}

// level is the rule of GROUP_BY: a value that the app does not use yet is always welcome; another one only once as many
// values are used as are expected, and while nobody has fewer tasks.
func (k *constraint) level(v string) string {
	mine := k.counts[v]
	if mine == 0 {
		return ""
	}
	expected := k.n
	if expected == 0 {
		expected = len(k.known)
	}
	if len(k.counts) < expected {
		return fmt.Sprintf("where the app runs %d, while only %d of %d groups have a task", mine, len(k.counts), expected)
	}
	for _, other := range k.known {
		if n, used := k.counts[other]; used && n < mine {
			return fmt.Sprintf("where the app runs %d, while %s has only %d", mine, other, n)
		}
	}
	return ""
}

// crowd is how many tasks of the app share an agent's value of a field that they are to be spread over by GROUP_BY.
// Among fitting agents the least crowded one is the best.
func crowd(all []*constraint, a *Agent) int {
	n := 0
	for _, k := range all {
		if v, ok := a.field(k.field); ok && k.operator == api.OperatorGroupBy {
			n += k.counts[v]
		}
	}
	return n
}

// surplus picks the n tasks that go first when the app gets smaller: the most dispensable ones, and among equally
// dispensable ones those of the largest GROUP_BY groups, so that the groups stay level.
func (s *situation) surplus(n int) []*Task {
	left := s.ranked(s.now)
	if n <= 0 {
		return nil
	}
	grouped := func(c []string) bool { return len(c) > 1 && c[1] == api.OperatorGroupBy }
	if s.app.Def == nil || !slices.ContainsFunc(s.app.Def.Constraints, grouped) {
		return left[:n]
	}
	rules := s.constraintsOf()
	for _, t := range s.going {
		s.count(rules, t, -1)
	}
	var out []*Task
	for range n {
		best, most := 0, -1
		for i, t := range left {
			if rank(t) != rank(left[0]) {
				break
			}
			if agent := s.c.agent(t.Agent); agent != nil && crowd(rules, agent) > most {
				best, most = i, crowd(rules, agent)
			}
		}
		out = append(out, left[best])
		s.count(rules, left[best], -1)
		left = slices.Delete(left, best, best+1)
	}
	return out
}

// count corrects what constraints know of a task's place.
func (s *situation) count(rules []*constraint, t *Task, by int) {
	agent := s.c.agent(t.Agent)
	if agent == nil {
		return
	}
	for _, k := range rules {
		if v, ok := agent.field(k.field); ok {
			k.counts[v] += by
		}
	}
}

func (k *constraint) String() string {
	if k.value == "" {
		return k.field + " " + k.operator
	}
	return k.field + " " + k.operator + " " + k.value
}

// field returns the value of a constraint's field, as it is compared: a number to thousandths, a set sorted.
func (a *Agent) field(name string) (value string, ok bool) {
	switch name {
	case fieldHostname, fieldHostnameAt:
		return a.Host, a.Host != ""
	case fieldRegion:
		return a.Region, a.Region != ""
	case fieldZone:
		return a.Zone, a.Zone != ""
	}
	v, ok := a.Attributes[name]
	return canonical(v), ok
}

// sameValue compares a constraint's value with a canonical one.
func sameValue(wanted, have string) bool { return canonical(wanted) == have }

// canonical is the text by which attribute values are compared: 2.0 and 2 are one number, {b,a} and {a, b} one set.
func canonical(v string) string {
	v = strings.TrimSpace(v)
	if f, err := strconv.ParseFloat(v, 64); err == nil && number.MatchString(v) {
		return strconv.FormatFloat(math.Round(f*1000)/1000, 'f', -1, 64)
	}
	if len(v) < 2 || v[0] != '{' && v[0] != '[' {
		return v
	}
	open, end := v[:1], v[len(v)-1:]
	if open+end != "{}" && open+end != "[]" {
		return v
	}
	items := strings.Split(v[1:len(v)-1], ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	slices.Sort(items)
	return open + strings.Join(slices.Compact(items), ",") + end
}

// number is what counts as one in an attribute; strconv would take "Inf", "0x1p-2" and "1_000" too.
var number = regexp.MustCompile(`^[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?$`)
