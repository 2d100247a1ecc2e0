package api

import (
	"errors"
	"strings"
)

// Code classes an Error; the HTTP layer maps it to a status in one place.
type Code string

// Codes.
const (
	CodeMalformed   Code = "malformed"   // 400: not JSON, or no body where one is needed
	CodeBadRequest  Code = "bad_request" // 400: parameters that exclude each other
	CodeInvalid     Code = "invalid"     // 422: a type or a rule is broken
	CodeNotFound    Code = "not_found"   // 404
	CodeConflict    Code = "conflict"    // 409: the id is taken
	CodeLocked      Code = "locked"      // 409: a deployment holds the app
	CodeTooMany     Code = "too_many"    // 403: as many deployments run as are allowed
	CodeTooLarge    Code = "too_large"   // 413
	CodeUnavailable Code = "unavailable" // 503
	CodeInternal    Code = "internal"    // 500
)

// Error is a refusal that its reader can act on.
type Error struct {
	Code        Code
	Message     string
	Details     []Detail        // for CodeInvalid
	ParserText  string          // for CodeMalformed
	Deployments []DeploymentRef // for CodeLocked
}

// Detail names the place in the document and everything that is wrong there. Paths are slash-joined field names; list
// positions stand in round brackets on the list's name, /container/portMappings(1)/name.
type Detail struct {
	Path   string   `json:"path"`
	Errors []string `json:"errors"`
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for _, d := range e.Details {
		b.WriteString("; " + d.Path + ": " + strings.Join(d.Errors, ", "))
	}
	if e.ParserText != "" {
		b.WriteString(": " + e.ParserText)
	}
	return b.String()
}

// CodeOf returns the code of the first *Error in err's chain, or CodeInternal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// NotFound says that something of the given kind ("App", "Task", …) does not exist.
func NotFound(kind, id string) *Error {
	return &Error{Code: CodeNotFound, Message: kind + " '" + id + "' does not exist"}
}

// In returns a copy of e with prefix put before the path of every detail: "(3)" makes /id into (3)/id. A nil e stays nil.
func (e *Error) In(prefix string) *Error {
	if e == nil {
		return nil
	}
	c := *e
	c.Details = make([]Detail, len(e.Details))
	for i, d := range e.Details {
		c.Details[i] = Detail{Path: prefix + d.Path, Errors: d.Errors}
	}
	return &c
}
