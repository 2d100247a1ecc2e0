package client

import "time"

// backoff spaces attempts: nearly at once the first time, then doubling from base to max, each drawn between a half and
// the whole of it so that many followers do not come at the same moment.
type backoff struct {
	base, max time.Duration
	n         int
}

// next returns the wait before the next attempt; chance is in [0, 1).
func (b *backoff) next(chance float64) time.Duration {
	d := b.base / 8
	if b.n > 0 {
		d = b.max
		if b.n < 20 {
			d = min(b.max, b.base<<(b.n-1))
		}
	}
	b.n++
	return d/2 + time.Duration(chance*float64(d)/2)
}

// after returns the wait after something that went well for so long: what lasted is no failure, however often it ends.
func (b *backoff) after(lived time.Duration, chance float64) time.Duration {
	if lived >= streamLived {
		b.reset()
	}
	return b.next(chance)
}

func (b *backoff) reset() { b.n = 0 }
