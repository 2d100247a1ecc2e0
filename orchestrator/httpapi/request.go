package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"berth/orchestrator/api"
)

// call is one request on its way through the handlers.
type call struct {
	*http.Request
	target
	query url.Values
	who   string // the name of a user, token or certificate; "" without authentication
	role  Role   // "" until let in
	// refused and detail are for the audit log: why the request was refused, and what was done where the URI does not say.
	refused, detail string
	// limit bounds the body in bytes.
	limit int64
}

// flag reads a boolean parameter: absent gives def, the exact text "true" is true, anything else is false.
func (c *call) flag(name string, def bool) bool {
	if !c.query.Has(name) {
		return def
	}
	return c.query.Get(name) == "true"
}

// writeOptions reads the parameters all writes share. The default of force differs per endpoint.
func (c *call) writeOptions(force bool) WriteOptions {
	return WriteOptions{
		Force:    c.flag("force", force),
		DryRun:   c.flag("dryRun", false) || c.route == routePlan,
		ClientIP: c.clientIP(),
		URI:      c.URL.RequestURI(),
	}
}

func (c *call) clientIP() string {
	host, _, err := net.SplitHostPort(c.RemoteAddr)
	if err != nil {
		return c.RemoteAddr
	}
	return host
}

// bodyTimeout bounds how long a client may take to send its body.
const bodyTimeout = 30 * time.Second

// body reads the whole body. Empty is an error: every caller needs a document.
func (c *call) body(w http.ResponseWriter) ([]byte, error) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout)) // unsupported only by recorders in tests
	data, err := io.ReadAll(http.MaxBytesReader(w, c.Body, c.limit))
	_ = rc.SetReadDeadline(time.Time{})
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &api.Error{
			Code:    api.CodeTooLarge,
			Message: fmt.Sprintf("the body is larger than the limit of %d bytes", c.limit),
		}
	case err != nil:
		return nil, malformed("reading the body: " + err.Error())
	case len(bytes.TrimSpace(data)) == 0:
		return nil, malformed("the body is empty; expected a JSON document")
	}
	return data, nil
}

// checkContentType refuses everything but JSON on writes, with or without a body: a web page of another site can send
// the other types without asking first.
func checkContentType(r *http.Request) error {
	ct := r.Header.Get("Content-Type")
	if ct == "" {
		return nil
	}
	t, _, err := mime.ParseMediaType(ct)
	if err == nil && (t == "application/json" || strings.HasPrefix(t, "application/") && strings.HasSuffix(t, "+json")) {
		return nil
	}
	return &refusal{status: http.StatusUnsupportedMediaType, message: "Unsupported Media Type"}
}

// decodeList splits a JSON array into its elements. Every element must be an object.
func decodeList(data []byte) ([]json.RawMessage, error) {
	if !json.Valid(data) {
		return nil, syntaxError(data)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil || list == nil {
		return nil, wrongType("/", "expected a list of objects")
	}
	return list, nil
}

// decodeObject reads a JSON object with its keys as they are written: encoding/json would take "IDS" for "ids".
func decodeObject(data []byte) (map[string]json.RawMessage, error) {
	if !json.Valid(data) {
		return nil, syntaxError(data)
	}
	var obj map[string]json.RawMessage
	if err := json.Unmarshal(data, &obj); err != nil || obj == nil {
		return nil, wrongType("/", "expected an object")
	}
	for k, v := range obj {
		if string(v) == "null" { // null means absent
			delete(obj, k)
		}
	}
	return obj, nil
}

// field decodes one member of an object into v; absent leaves v alone.
func field(obj map[string]json.RawMessage, name, expected string, v any) error {
	raw, ok := obj[name]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return wrongType("/"+name, "expected "+expected)
	}
	return nil
}

func syntaxError(data []byte) error {
	var v any
	return malformed(json.Unmarshal(data, &v).Error())
}
