// Package execstream is what the orchestrator and its client say to each other while a command runs in a task: frames on
// a connection that was taken over from HTTP, by the header "Upgrade: berth-exec".
//
//	kind (1 byte) length (4 bytes, most significant first) payload
package execstream

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// Protocol is the name in the header Upgrade.
const Protocol = "berth-exec"

// Kind says what a frame is.
type Kind byte

// Kinds of frames.
const (
	Stdin  Kind = 'i' // to the command; an empty one ends its stdin
	Resize Kind = 'r' // to the command's terminal: Size as JSON
	Stdout Kind = 'o'
	Stderr Kind = 'e'
	Exit   Kind = 'x' // the last one: Result as JSON
)

// Size is that of a terminal, in characters.
type Size struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// MaxSize bounds both.
const MaxSize = 10000

// Result is how a command ended.
type Result struct {
	ExitCode int    `json:"exitCode"`
	Error    string `json:"error,omitempty"` // why there is no exit code
}

// MaxPayload bounds a frame's payload, in bytes.
const MaxPayload = 32 << 10

const headLen = 5

// Writer sends frames. It is safe for concurrent use.
type Writer struct {
	mu sync.Mutex
	w  io.Writer
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Send sends p in one frame or, if it is larger than that, several. Exactly one is sent for an empty p.
func (w *Writer) Send(k Kind, p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		part := p[:min(len(p), MaxPayload)]
		frame := make([]byte, headLen, headLen+len(part))
		frame[0] = byte(k)
		binary.BigEndian.PutUint32(frame[1:], uint32(len(part)))
		if _, err := w.w.Write(append(frame, part...)); err != nil {
			return err
		}
		if p = p[len(part):]; len(p) == 0 {
			return nil
		}
	}
}

// SendJSON sends v as JSON.
func (w *Writer) SendJSON(k Kind, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.Send(k, data)
}

// Copy sends what r gives, as it comes, and returns how many bytes that was.
func (w *Writer) Copy(k Kind, r io.Reader) (n int64, err error) {
	buf := make([]byte, MaxPayload)
	for {
		m, err := r.Read(buf)
		if m > 0 {
			n += int64(m)
			if err := w.Send(k, buf[:m]); err != nil {
				return n, err
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// Read reads one frame. io.EOF says that the other side ended between two of them.
func Read(r io.Reader) (Kind, []byte, error) {
	var head [headLen]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > MaxPayload {
		return 0, nil, fmt.Errorf("frame of %d bytes: expected at most %d", n, MaxPayload)
	}
	p := make([]byte, n)
	if _, err := io.ReadFull(r, p); err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return Kind(head[0]), p, nil
}
