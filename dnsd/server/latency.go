package server

import (
	"sync/atomic"
	"time"
)

// latencyBounds are the upper bounds of the classes in which answers are counted by the time they took.
var latencyBounds = [...]time.Duration{
	10 * time.Microsecond, 25 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond,
	500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second,
}

// latency counts answers by the time they took.
type latency struct {
	class [len(latencyBounds) + 1]atomic.Uint64 // the last is for what took longer
	sum   atomic.Int64                          // nanoseconds
}

// observe counts n answers that took d each.
func (l *latency) observe(d time.Duration, n int) {
	if n == 0 {
		return
	}
	i := 0
	for i < len(latencyBounds) && d > latencyBounds[i] {
		i++
	}
	l.class[i].Add(uint64(n))
	l.sum.Add(int64(d) * int64(n))
}

// Latency is how long answers took. The zero Latency has none.
type Latency struct {
	Sum     time.Duration
	Count   uint64
	Buckets map[time.Duration]uint64 // bound → answers that took no longer
}

func (l *latency) addTo(to *Latency) {
	if to.Buckets == nil {
		to.Buckets = make(map[time.Duration]uint64, len(latencyBounds))
	}
	to.Sum += time.Duration(l.sum.Load())
	n := uint64(0)
	for i, bound := range latencyBounds {
		n += l.class[i].Load()
		to.Buckets[bound] += n
	}
	to.Count += n + l.class[len(latencyBounds)].Load()
}
