package httpapi

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"time"

	"berth/orchestrator/api"
)

const eventStream = "text/event-stream"

// eventWriter frames events on a connection. Every write is flushed and has a deadline, so that a reader that takes
// nothing is cut off instead of being waited for.
type eventWriter struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
	buf     bytes.Buffer
	events  int // how many were sent
}

func newEventWriter(w http.ResponseWriter, timeout time.Duration) *eventWriter {
	return &eventWriter{w: w, rc: http.NewResponseController(w), timeout: timeout}
}

// open sends the header, so that a client knows at once that it is connected.
func (o *eventWriter) open() error {
	h := o.w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("X-Accel-Buffering", "no") // for nginx in between
	o.w.WriteHeader(http.StatusOK)
	return o.flush()
}

// event sends one event:
//
//	event: status_update_event
//	data: {"eventType":"status_update_event",…}
//	(empty line)
//
// marathon-lb compares the six characters "data: " and takes the data for one line.
func (o *eventWriter) event(e api.Event) error {
	o.buf.Reset()
	o.buf.WriteString("event: " + e.Type + "\ndata: ")
	if err := encode(&o.buf, eventBody(e)); err != nil {
		return fmt.Errorf("event %s: %w", e.Type, err)
	}
	o.buf.WriteString("\n\n")
	o.events++
	return o.flush()
}

// heartbeat sends an empty line, which ends no event and so means nothing, to show that the stream is alive.
func (o *eventWriter) heartbeat() error {
	o.buf.Reset()
	o.buf.WriteByte('\n')
	return o.flush()
}

func (o *eventWriter) flush() error {
	if err := o.rc.SetWriteDeadline(time.Now().Add(o.timeout)); err != nil {
		return fmt.Errorf("set write deadline: %w", err)
	}
	if _, err := o.w.Write(o.buf.Bytes()); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := o.rc.Flush(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

// eventBody is the JSON of an event: its own fields and those all events have.
func eventBody(e api.Event) map[string]any {
	m := make(map[string]any, len(e.Fields)+3)
	maps.Copy(m, e.Fields)
	if a, ok := m["appDefinition"].(*api.App); ok && a != nil {
		m["appDefinition"] = filled(a)
	}
	m["eventType"] = e.Type
	m["timestamp"] = e.Time
	m["index"] = e.Index
	return m
}
