package server

import "math/bits"

// Order says how the records of an answer are arranged.
type Order string

// Orders.
const (
	OrderRandom Order = "random" // anew for each answer
	OrderRotate Order = "rotate" // each answer begins one further on
	OrderFixed  Order = "fixed"  // always sorted
)

// rnd is a small generator of one goroutine's own: it orders answers, nothing secret.
type rnd struct {
	state uint64
	turn  uint32
}

func (r *rnd) next() uint32 { // xorshift64*
	r.state ^= r.state >> 12
	r.state ^= r.state << 25
	r.state ^= r.state >> 27
	return uint32(r.state * 2685821657736338717 >> 32)
}

// below returns a number from 0 to n-1.
func (r *rnd) below(n int) int {
	hi, _ := bits.Mul32(r.next(), uint32(n))
	return int(hi)
}

// first is the record that an answer of n begins with.
func (c *Config) first(n int, r *rnd) int {
	switch c.Order {
	case OrderFixed:
		return 0
	case OrderRotate:
		r.turn++
		return int(r.turn) % n
	}
	return r.below(n)
}

// order arranges records of one size in place.
func (c *Config) order(b []byte, size int, r *rnd) {
	n := len(b) / size
	if c.Order == OrderRotate {
		rotate(b, c.first(n, r)*size)
		return
	}
	for i := n - 1; i > 0; i-- {
		if j := r.below(i + 1); j != i {
			swap(b[i*size:(i+1)*size], b[j*size:(j+1)*size])
		}
	}
}

func swap(x, y []byte) {
	for i := range x {
		x[i], y[i] = y[i], x[i]
	}
}

// rotate moves the first n bytes to the end, by turning the parts and then the whole round.
func rotate(b []byte, n int) {
	reverse(b[:n])
	reverse(b[n:])
	reverse(b)
}

func reverse(b []byte) {
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
}
