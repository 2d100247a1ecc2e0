package model

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const labelPrefix = "HAPROXY_"

// labelValue is one per-port label of one port.
type labelValue struct {
	label *Label
	key   string
	value string
}

func (lv labelValue) shown() string {
	if lv.label.Secret {
		return ""
	}
	return lv.value
}

// parseLabels sorts an app's labels by port index and, within a port, by name, and warns about labels nobody knows.
// ports is how many service ports the app has.
func (b *unitBuild) parseLabels(labels map[string]string, ports int) map[int][]labelValue {
	byPort := make(map[int][]labelValue)
	for key, value := range labels {
		rest, ok := strings.CutPrefix(key, labelPrefix)
		if !ok || appLabelByName[key] != nil {
			continue
		}
		index, name, ok := portLabel(rest)
		if !ok {
			b.unknown(key, key, appLabelByName)
			continue
		}
		l := portLabelByName[name]
		switch {
		case l == nil:
			b.unknown(key, name, portLabelByName)
		case l.Dead:
			b.p.warnf(key, value, "has no effect; %s does what was meant", l.Instead)
		case index >= ports:
			b.p.warnf(key, value, "the app has %d service ports, counted from 0", ports)
		default:
			byPort[index] = append(byPort[index], labelValue{l, key, value})
		}
	}
	for _, list := range byPort {
		slices.SortFunc(list, func(x, y labelValue) int {
			return cmp.Or(cmp.Compare(x.label.Name, y.label.Name), cmp.Compare(x.key, y.key))
		})
	}
	slices.SortStableFunc(b.p.list, func(x, y Problem) int { return cmp.Compare(x.Field, y.Field) })
	return byPort
}

// portLabel splits "0_VHOST".
func portLabel(rest string) (index int, name string, ok bool) {
	digits, name, ok := strings.Cut(rest, "_")
	if !ok || digits == "" || len(digits) > 5 || strings.Trim(digits, "0123456789") != "" {
		return 0, "", false
	}
	index, err := strconv.Atoi(digits)
	return index, name, err == nil && index <= maxIndex && strconv.Itoa(index) == digits
}

// applyLabels puts the labels into d, in order of their names, and reports whether the port is to be served.
func (b *unitBuild) applyLabels(d *draft, labels []labelValue) bool {
	enabled, good := !b.opt.Strict, true
	for _, lv := range labels {
		d.warn = func(format string, args ...any) { b.p.warnf(lv.key, lv.shown(), format, args...) }
		if err := b.applyLabel(d, lv, &enabled); err != nil {
			b.p.errorf(lv.key, lv.shown(), "%s", err.Error())
			good = false
		}
	}
	return good && enabled
}

func (b *unitBuild) applyLabel(d *draft, lv labelValue, enabled *bool) error {
	if len(lv.value) > lv.label.Limit() {
		return tooLong(len(lv.value), lv.label.Limit())
	}
	if lv.label.Type == Template && b.opt.NoTemplates {
		return errNoTemplates
	}
	if lv.label.Type != Template {
		if err := settingText(lv.value); err != nil {
			return err
		}
	}
	if lv.label.Name == "ENABLED" {
		*enabled = d.bool(lv.value)
	}
	if lv.label.apply == nil {
		return nil
	}
	return lv.label.apply(d, lv.value)
}

var errNoTemplates = errors.New("this load balancer takes no templates in labels; expected settings only")

type sizeError struct{ size, limit int }

func tooLong(size, limit int) error { return sizeError{size, limit} }

func (e sizeError) Error() string {
	return "the value has " + strconv.Itoa(e.size) + " bytes; expected at most " + strconv.Itoa(e.limit)
}

// unknown warns about a label that looks like ours, and names the nearest one that is.
func (b *unitBuild) unknown(key, name string, known map[string]*Label) {
	if near := nearest(name, known); near != nil {
		b.p.warnf(key, "", "is no label of this load balancer; %s is", near.Key())
		return
	}
	b.p.warnf(key, "", "is no label of this load balancer")
}

// nearest is the known label whose name is nearest to name, nil if none is near.
func nearest(name string, known map[string]*Label) *Label {
	return known[Nearest(name, slices.Sorted(maps.Keys(known)))]
}

// Nearest is the one of the known names with the fewest edits to name, if those are few, else ""; of equals the first.
func Nearest(name string, known []string) string {
	if len(name) > 100 {
		return ""
	}
	best, least := "", 1+max(2, min(4, len(name)/4))
	for _, k := range known {
		if d := distance(name, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the insertions, deletions and replacements between two texts.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last = row[j+1]
			row[j+1] = min(cost, row[j]+1, last+1)
		}
	}
	return row[len(b)]
}
