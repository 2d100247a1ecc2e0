package api

import "fmt"

// Notes are remarks on a document that was accepted.
type Notes struct {
	Unknown  []string // paths of fields nobody knows; they were dropped
	Warnings []string // sentences
}

// Strict makes unknown fields an error: an *Error of CodeInvalid that names each, or nil if there are none.
func (n Notes) Strict() error {
	var p problems
	for _, path := range n.Unknown {
		p.add(path, "unknown field")
	}
	return p.err(messageInvalidObject)
}

func (n *Notes) warn(format string, args ...any) {
	if len(n.Warnings) < maxReported {
		n.Warnings = append(n.Warnings, fmt.Sprintf(format, args...))
	}
}

func (n Notes) and(more Notes) Notes {
	return Notes{
		Unknown:  append(n.Unknown[:len(n.Unknown):len(n.Unknown)], more.Unknown...),
		Warnings: append(n.Warnings[:len(n.Warnings):len(n.Warnings)], more.Warnings...),
	}
}
