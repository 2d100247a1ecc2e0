package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"berth/orchestrator/api"
)

const (
	maxRefusal = 1 << 20  // bytes read of an error's body
	maxLeft    = 64 << 10 // bytes read to the end so that the connection can be used again
)

// finish reads what little may be left of a body and closes it.
func finish(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxLeft)
	_ = body.Close()
}

// limited fails when more than its limit is read, so that a cut answer is never taken for a whole one.
type limited struct {
	io.ReadCloser
	left, limit int64
}

func limitBody(body io.ReadCloser, limit int64) io.ReadCloser { return &limited{body, limit, limit} }

func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, fmt.Errorf("answer of more than %d bytes", l.limit)
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.ReadCloser.Read(p)
	l.left -= int64(n)
	if l.left < 0 {
		return n, fmt.Errorf("answer of more than %d bytes", l.limit)
	}
	return n, err
}

// readRefusal turns an error answer (marathon-api.md section 2) into an *api.Error. genuine is false when the body is
// not the API's, so that something in between must have answered.
func readRefusal(resp *http.Response) (refusal *api.Error, genuine bool) {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	var v struct {
		Message     *string             `json:"message"`
		Details     json.RawMessage     `json:"details"`
		Deployments []api.DeploymentRef `json:"deployments"`
	}
	refusal = &api.Error{Code: codeOf(resp.StatusCode), Message: fmt.Sprintf("status %d", resp.StatusCode)}
	if json.Unmarshal(data, &v) != nil || v.Message == nil {
		return refusal, false
	}
	refusal.Message = *v.Message
	if refusal.Message == "" {
		refusal.Message = strings.ToLower(http.StatusText(resp.StatusCode))
	}
	if v.Deployments != nil && resp.StatusCode == http.StatusConflict {
		refusal.Code, refusal.Deployments = api.CodeLocked, v.Deployments
	}
	if len(v.Details) > 0 && json.Unmarshal(v.Details, &refusal.Details) != nil {
		refusal.Details = nil
		if json.Unmarshal(v.Details, &refusal.ParserText) == nil && resp.StatusCode == http.StatusBadRequest {
			refusal.Code = api.CodeMalformed
		}
	}
	return refusal, true
}

// codeOf maps a status to a code. Refused credentials have no code of their own: they are a bad request.
func codeOf(status int) api.Code {
	switch status {
	case http.StatusNotFound:
		return api.CodeNotFound
	case http.StatusConflict:
		return api.CodeConflict
	case http.StatusRequestEntityTooLarge:
		return api.CodeTooLarge
	case http.StatusUnprocessableEntity:
		return api.CodeInvalid
	case http.StatusServiceUnavailable:
		return api.CodeUnavailable
	}
	if status >= 500 || status/100 == 3 {
		return api.CodeInternal
	}
	return api.CodeBadRequest
}
