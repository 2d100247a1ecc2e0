package httpapi

import (
	"context"
	"errors"
	"net/http"

	"berth/orchestrator/api"
)

// statuses is the one place where an error's code becomes an HTTP status.
var statuses = map[api.Code]int{
	api.CodeMalformed:   http.StatusBadRequest,
	api.CodeBadRequest:  http.StatusBadRequest,
	api.CodeInvalid:     http.StatusUnprocessableEntity,
	api.CodeNotFound:    http.StatusNotFound,
	api.CodeConflict:    http.StatusConflict,
	api.CodeLocked:      http.StatusConflict,
	api.CodeTooMany:     http.StatusForbidden,
	api.CodeTooLarge:    http.StatusRequestEntityTooLarge,
	api.CodeUnavailable: http.StatusServiceUnavailable,
	api.CodeInternal:    http.StatusInternalServerError,
}

// refusal is an error that belongs to HTTP alone and so has no api.Code: 401, 403, 405, 415.
type refusal struct {
	status  int
	message string
	details string
	header  http.Header
}

func (r *refusal) Error() string { return r.message }

// errorBody is the body of every error. Details is a text (malformed JSON) or a list (a broken rule). Deployments is
// only there when an app is locked: go-marathon tells the two kinds of 409 apart by that.
type errorBody struct {
	Message     string              `json:"message"`
	Details     any                 `json:"details,omitempty"`
	Deployments []api.DeploymentRef `json:"deployments,omitempty"`
}

// describe turns any error into a status and a body. Only what was made for a client's eyes is shown to it.
func describe(err error) (int, errorBody) {
	var r *refusal
	if errors.As(err, &r) {
		body := errorBody{Message: r.message}
		if r.details != "" {
			body.Details = r.details
		}
		return r.status, body
	}
	var e *api.Error
	if errors.As(err, &e) {
		return describeAPI(e)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return http.StatusServiceUnavailable, errorBody{Message: "the request was not finished in time"}
	}
	return http.StatusInternalServerError, errorBody{Message: "internal error; the orchestrator's log has the cause"}
}

func describeAPI(e *api.Error) (int, errorBody) {
	status, ok := statuses[e.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	body := errorBody{Message: e.Message, Deployments: e.Deployments}
	switch {
	case e.ParserText != "":
		body.Details = e.ParserText
	case len(e.Details) > 0:
		body.Details = e.Details
	}
	if body.Message == "" {
		body.Message = http.StatusText(status)
	}
	return status, body
}

func invalid(path, message string) *api.Error {
	return &api.Error{
		Code:    api.CodeInvalid,
		Message: "Object is not valid",
		Details: []api.Detail{{Path: path, Errors: []string{message}}},
	}
}

// wrongType is the 422 for JSON of the wrong type.
func wrongType(path, message string) *api.Error {
	e := invalid(path, message)
	e.Message = "Invalid JSON"
	return e
}

// badParameter is the 422 for a query parameter or path segment that cannot be read.
func badParameter(message string) *api.Error {
	return &api.Error{Code: api.CodeInvalid, Message: message}
}

func malformed(text string) *api.Error {
	return &api.Error{Code: api.CodeMalformed, Message: "Invalid JSON", ParserText: text}
}
