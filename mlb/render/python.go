package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// compilePython reads the part of Python's format language that marathon-lb's users write: {name}, {name[key]},
// {name:05d}, and doubled braces. Braces around anything that is no name stand for themselves, so that HAProxy's own
// { ssl_fc } and %{+Q}o need no doubling. A text without variables and doubled braces is taken as it is.
func compilePython(row *Template, s string) (*text, error) {
	t := &text{row: row}
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			t.parts = append(t.parts, part{literal: lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case (c == '{' || c == '}') && i+1 < len(s) && s[i+1] == c:
			lit.WriteByte(c)
			i += 2
		case c == '{':
			p, n, err := field(row, s[i:])
			if err != nil {
				return nil, err
			}
			if n == 0 {
				lit.WriteByte(c)
				i++
				continue
			}
			flush()
			t.parts = append(t.parts, p)
			i += n
		default:
			lit.WriteByte(c)
			i++
		}
	}
	flush()
	return t, nil
}

// field reads "{name[key]:format}" at the start of s and how long it is: 0 when this is no field but a brace.
func field(row *Template, s string) (part, int, error) {
	inner, _, ok := strings.Cut(s[1:], "}")
	if !ok {
		return part{}, 0, nil
	}
	name, format, _ := strings.Cut(inner, ":")
	name = strings.NewReplacer("[", ".", "]", "").Replace(name)
	if !isName(name) {
		return part{}, 0, nil
	}
	index := slices.Index(row.Vars, name)
	if index < 0 {
		return part{}, 0, unknownVariable(row, name)
	}
	if format != "" && !validFormat(format) {
		return part{}, 0, fmt.Errorf("format %q of {%s} is not understood; expected a width such as 05d", format, name)
	}
	return part{index: index + 1, format: format}, len(inner) + 2, nil
}

func isName(s string) bool {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '.' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != ""
}

// validFormat accepts an optional zero, a width up to 99 and an optional d or s.
func validFormat(f string) bool {
	f = strings.TrimSuffix(strings.TrimSuffix(f, "d"), "s")
	return len(f) <= 3 && strings.Trim(f, "0123456789") == ""
}

func formatted(value, format string) string {
	digits := strings.TrimRight(format, "ds")
	width, err := strconv.Atoi(digits)
	if err != nil || len(value) >= width {
		return value
	}
	fill := strings.Repeat(" ", width-len(value))
	_, notNumber := strconv.Atoi(value)
	switch {
	case strings.HasPrefix(digits, "0"):
		return strings.Repeat("0", width-len(value)) + value
	case notNumber == nil:
		return fill + value
	}
	return value + fill
}
