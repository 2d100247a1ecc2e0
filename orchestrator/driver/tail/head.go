package tail

// Head is a writer that keeps the first bytes it gets and swallows the rest, so that its writer never fails or waits.
type Head struct {
	buf   []byte
	limit int
}

// NewHead returns a Head that keeps limit bytes.
func NewHead(limit int) *Head { return &Head{limit: limit} }

// Write never fails.
func (h *Head) Write(p []byte) (int, error) {
	h.buf = append(h.buf, p[:min(len(p), h.limit-len(h.buf))]...)
	return len(p), nil
}

// Bytes returns what was kept.
func (h *Head) Bytes() []byte { return h.buf }
