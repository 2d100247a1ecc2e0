package reconcile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Range is an inclusive range of port numbers.
type Range struct{ Low, High int }

// Ports is a set of port numbers as sorted ranges that neither touch nor overlap. The zero value is empty.
type Ports []Range

// ParsePorts reads a list such as "1-21,23-32000". Blanks around the parts are free; the numbers lie in 1 to 65535.
// The empty text is the empty set.
func ParsePorts(s string) (Ports, error) {
	var p Ports
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		r, err := parseRange(part)
		if err != nil {
			return nil, fmt.Errorf("port list %q: %w", s, err)
		}
		p = append(p, r)
	}
	return p.merged(), nil
}

func parseRange(s string) (Range, error) {
	low, high, isRange := strings.Cut(s, "-")
	if !isRange {
		high = low
	}
	l, err := parsePort(low)
	if err != nil {
		return Range{}, err
	}
	h, err := parsePort(high)
	if err != nil {
		return Range{}, err
	}
	if h < l {
		return Range{}, fmt.Errorf("range %q: expected the smaller number first", s)
	}
	return Range{l, h}, nil
}

func parsePort(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 1 || n > 65535 {
		return 0, fmt.Errorf("port %q: expected a number from 1 to 65535", s)
	}
	return n, nil
}

func (p Ports) merged() Ports {
	slices.SortFunc(p, func(a, b Range) int { return a.Low - b.Low })
	out := p[:0]
	for _, r := range p {
		if n := len(out); n > 0 && r.Low <= out[n-1].High+1 {
			out[n-1].High = max(out[n-1].High, r.High)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Without returns p less the given numbers.
func (p Ports) Without(numbers ...int) Ports {
	out := slices.Clone(p)
	for _, n := range numbers {
		i := slices.IndexFunc(out, func(r Range) bool { return r.Low <= n && n <= r.High })
		if i < 0 {
			continue
		}
		r := out[i]
		var parts []Range
		if r.Low < n {
			parts = append(parts, Range{r.Low, n - 1})
		}
		if n < r.High {
			parts = append(parts, Range{n + 1, r.High})
		}
		out = slices.Replace(out, i, i+1, parts...)
	}
	return out
}

// Contains reports whether n is in the set.
func (p Ports) Contains(n int) bool {
	_, found := slices.BinarySearchFunc(p, n, func(r Range, n int) int {
		switch {
		case r.High < n:
			return -1
		case r.Low > n:
			return 1
		}
		return 0
	})
	return found
}

// Len is how many numbers the set has.
func (p Ports) Len() int {
	n := 0
	for _, r := range p {
		n += r.High - r.Low + 1
	}
	return n
}

// At returns the i-th number, counted from 0 in rising order; i must be below Len.
func (p Ports) At(i int) int {
	for _, r := range p {
		if size := r.High - r.Low + 1; i >= size {
			i -= size
			continue
		}
		return r.Low + i
	}
	return 0
}

func (p Ports) String() string {
	parts := make([]string, len(p))
	for i, r := range p {
		parts[i] = strconv.Itoa(r.Low)
		if r.High > r.Low {
			parts[i] += "-" + strconv.Itoa(r.High)
		}
	}
	return strings.Join(parts, ",")
}
