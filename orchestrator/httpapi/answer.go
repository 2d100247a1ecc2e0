package httpapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"berth/orchestrator/api"
)

const jsonType = "application/json"

// gzipFrom is the size in bytes from which compressing an answer pays.
const gzipFrom = 1024

// reply sends v as JSON. Nothing has been sent when it fails.
func (s *Server) reply(w http.ResponseWriter, c *call, status int, v any) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer release(buf)
	if err := encode(buf, v); err != nil {
		return err
	}
	send(w, c.Request, status, jsonType, buf.Bytes())
	return nil
}

// encode writes v as one line of JSON. Signs like < stay readable: every answer carries nosniff.
func encode(buf *bytes.Buffer, v any) error {
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	buf.Truncate(buf.Len() - 1) // the encoder's line break
	return nil
}

// send writes a complete answer, compressed if the client asks for it and it pays. That the client is gone is no error
// of ours.
func send(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Add("Vary", "Accept-Encoding")
	if len(body) >= gzipFrom && accepts(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		w.WriteHeader(status)
		z := gzips.Get().(*gzip.Writer)
		defer gzips.Put(z)
		z.Reset(w)
		_, _ = z.Write(body)
		_ = z.Close()
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// fail sends err as JSON; marathon-lb parses the bodies of errors too.
func (s *Server) fail(w http.ResponseWriter, c *call, err error) {
	status, body := describe(err)
	c.refused = body.Message
	if r, ok := err.(*refusal); ok {
		for k, v := range r.header {
			w.Header()[k] = v
		}
	}
	if status == http.StatusInternalServerError {
		s.log.Error("request failed", "method", c.Method, "uri", c.URL.RequestURI(), "error", err)
	}
	if err := s.reply(w, c, status, body); err != nil {
		s.log.Error("error not sent", "error", err)
	}
}

// announce puts into the header what a write has to say besides its body.
func announce(w http.ResponseWriter, deployment string, notes api.Notes, warnings []string) {
	h := w.Header()
	if deployment != "" {
		h.Set("Marathon-Deployment-Id", deployment)
	}
	if u := headerList(notes.Unknown); len(u) > 0 {
		h.Set("X-Unknown-Fields", strings.Join(u, ", "))
	}
	for _, t := range headerList(slices.Concat(notes.Warnings, warnings)) {
		h.Add("X-Warnings", t)
	}
}

// Limits of what headers repeat from a document.
const (
	maxHeaderItems  = 32
	maxHeaderLength = 300
)

// headerList makes texts fit for a header: printable ASCII, of bounded number and length.
func headerList(texts []string) []string {
	out := make([]string, 0, min(len(texts), maxHeaderItems))
	for i, t := range texts {
		if i == maxHeaderItems {
			return append(out, fmt.Sprintf("and %d more", len(texts)-i))
		}
		q := strconv.QuoteToASCII(t)
		q = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(q[1 : len(q)-1])
		if len(q) > maxHeaderLength {
			q = q[:maxHeaderLength] + "..."
		}
		out = append(out, q)
	}
	return out
}

// Buffers for answers are used again, the largest aside.
const keepBuffer = 16 << 20

var (
	buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
	gzips   = sync.Pool{New: func() any {
		z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
		return z
	}}
)

func release(buf *bytes.Buffer) {
	if buf.Cap() <= keepBuffer {
		buf.Reset()
		buffers.Put(buf)
	}
}
