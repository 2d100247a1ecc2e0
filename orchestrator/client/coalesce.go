package client

import "time"

// coalescer gathers a burst: it is due after quiet without a note, but never later than ceiling after the first one.
type coalescer struct {
	quiet, ceiling time.Duration
	first, last    time.Time
}

func (c *coalescer) note(now time.Time) {
	if c.first.IsZero() {
		c.first = now
	}
	c.last = now
}

// due is when the burst is over; zero if there is none.
func (c *coalescer) due() time.Time {
	if c.first.IsZero() {
		return time.Time{}
	}
	quiet, ceiling := c.last.Add(c.quiet), c.first.Add(c.ceiling)
	if ceiling.Before(quiet) {
		return ceiling
	}
	return quiet
}

func (c *coalescer) reset() { c.first, c.last = time.Time{}, time.Time{} }
