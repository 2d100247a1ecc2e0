package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Severities of a Problem.
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
)

const maxShown = 200 // bytes of a value in a Problem

// String is one line for a log or a terminal.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Severity)
	if p.App != "" {
		b.WriteString(": app " + p.App)
	}
	if p.Field != "" {
		b.WriteString(": " + p.Field)
	}
	if p.Value != "" {
		b.WriteString(" " + strconv.Quote(p.Value))
	}
	b.WriteString(": " + p.Reason)
	return b.String()
}

// Shorten makes a value fit for a Problem: printable, valid UTF-8, at most 200 bytes.
func Shorten(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '·'
		}
		if b.Len()+utf8.RuneLen(r) > maxShown-len("…") {
			return b.String() + "…"
		}
		b.WriteRune(r)
	}
	return b.String()
}

// maxProblems bounds what is reported of one app.
const maxProblems = 50

// limit drops what is too much and says how much that was.
func (p *problems) limit() {
	if more := len(p.list) - maxProblems; more > 0 {
		slices.SortStableFunc(p.list, func(a, b Problem) int { return strings.Compare(a.Severity, b.Severity) }) // errors first
		p.list = p.list[:maxProblems]
		p.warnf("", "", "and %d more problems", more)
	}
}

// problems collects what is wrong with one app.
type problems struct {
	app  string
	list []Problem
}

func (p *problems) add(severity, field, value, format string, args ...any) {
	p.list = append(p.list, Problem{
		App: Shorten(p.app), Field: Shorten(field), Value: Shorten(value),
		Reason: fmt.Sprintf(format, args...), Severity: severity,
	})
}

func (p *problems) errorf(field, value, format string, args ...any) {
	p.add(SeverityError, field, value, format, args...)
}

func (p *problems) warnf(field, value, format string, args ...any) {
	p.add(SeverityWarning, field, value, format, args...)
}
