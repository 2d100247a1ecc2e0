package client

import (
	"strings"

	"berth/orchestrator/api"
)

// attemptError is why one URL did not do. elsewhere is set when another URL may be asked the same.
type attemptError struct {
	url       string
	err       error
	elsewhere bool
}

func (e *attemptError) Error() string { return e.url + ": " + e.err.Error() }
func (e *attemptError) Unwrap() error { return e.err }

// refused is an answer with a status that is not 2xx, and the revision it reflects.
type refused struct {
	err    *api.Error
	status int
	index  uint64
}

func (e *refused) Error() string { return e.err.Error() }
func (e *refused) Unwrap() error { return e.err }

// attemptErrors is why no URL did.
type attemptErrors []error

func (es attemptErrors) Unwrap() []error { return es }

func (es attemptErrors) Error() string {
	text := make([]string, len(es))
	for i, e := range es {
		text[i] = e.Error()
	}
	return strings.Join(text, "; ")
}
