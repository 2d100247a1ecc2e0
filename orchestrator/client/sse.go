package client

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
)

const (
	eventStream = "text/event-stream"
	maxFrame    = 8 << 20 // bytes of one event's data; what is longer counts as an event that says nothing
)

// frame is one event of a stream of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
// data is valid until the next call of next.
type frame struct {
	event   string
	data    []byte // its data lines, joined by line feeds
	tooLong bool   // data was over the limit and is missing
}

// frameReader splits a stream into frames:
//
//	event: status_update_event
//	data: {"eventType":"status_update_event",…}
//	(empty line)
//
// Lines end with LF or CRLF. Comments and unknown fields are skipped, extra empty lines are heartbeats. A line that
// starts with a brace is taken for data: some servers put several documents, separated by line ends, after one "data:".
// A frame that the end of the stream cuts off is dropped.
type frameReader struct {
	br  *bufio.Reader
	max int
	cur frame
	buf []byte
}

func newFrameReader(r io.Reader, max int) *frameReader {
	return &frameReader{br: bufio.NewReaderSize(r, 16<<10), max: max}
}

// next returns the next frame that has data, or the reader's error.
func (r *frameReader) next() (frame, error) {
	r.cur, r.buf = frame{}, r.buf[:0]
	for {
		line, cut, err := r.line()
		if err != nil {
			return frame{}, err
		}
		switch {
		case cut:
			r.cur.tooLong = true
		case len(line) > 0:
			r.field(line)
		case r.cur.tooLong:
			r.cur.data = nil
			return r.cur, nil
		case len(bytes.TrimSpace(r.buf)) > 0:
			r.cur.data = r.buf
			return r.cur, nil
		default:
			r.cur, r.buf = frame{}, r.buf[:0]
		}
	}
}

// line reads one line without its end. Of a line that is longer than the limit nothing is kept.
func (r *frameReader) line() (line []byte, cut bool, err error) {
	line, err = r.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, cut, err = r.longLine(line)
	}
	if err != nil {
		return nil, false, err
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), cut, nil
}

func (r *frameReader) longLine(start []byte) (line []byte, cut bool, err error) {
	line = bytes.Clone(start)
	for {
		more, err := r.br.ReadSlice('\n')
		if cut = cut || len(line)+len(more) > r.max; cut {
			line = nil
		} else {
			line = append(line, more...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, cut, err
		}
	}
}

func (r *frameReader) field(line []byte) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch {
	case line[0] == '{':
		r.data(line)
	case string(name) == "data":
		r.data(value)
	case string(name) == "event":
		r.cur.event = string(value)
	}
}

func (r *frameReader) data(value []byte) {
	if len(r.buf)+len(value)+1 > r.max {
		r.cur.tooLong = true
		return
	}
	if len(r.buf) > 0 {
		r.buf = append(r.buf, '\n')
	}
	r.buf = append(r.buf, value...)
}

// checkStream makes sure that an answer with a 2xx status is a stream of events.
func checkStream(resp *http.Response) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode != http.StatusOK || kind != eventStream {
		return fmt.Errorf("expected status 200 and %s, got %d and %q", eventStream, resp.StatusCode, kind)
	}
	return nil
}
