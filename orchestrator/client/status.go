package client

import "time"

// Status says how the watch is doing.
type Status struct {
	Connected    bool      // the event stream is up
	Source       string    // URL in use
	LastSync     time.Time // last moment at which the state was known to be current
	Reconnects   uint64
	Suspicious   bool // a sudden loss of most apps is waiting to be confirmed
	LastError    string
	FullReads    uint64
	SingleReads  uint64
	EventsSeen   uint64
	FromDisk     bool
	LastEventAt  time.Time
	LastErrorAt  time.Time
	SnapshotApps int

	Problems    int    // apps that could not be read
	Index       uint64 // index of the snapshot delivered last
	StaleReads  uint64 // answers older than what the stream had announced
	Suspicions  uint64 // full reads that were not believed
	AcksSent    uint64
	AcksRefused bool // the server has no acknowledgements, as a real Marathon
}

// Status returns the state of the running Watch.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	if s.Connected && c.current && c.lastByte.After(s.LastSync) {
		s.LastSync = c.lastByte // it would have told of a change
	}
	s.AcksRefused = c.noAcks.Load()
	return s
}

// note changes the status.
func (c *Client) note(f func(*Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.status)
}

// noteError keeps an error for the status.
func (c *Client) noteError(err error, now time.Time) {
	c.note(func(s *Status) { s.LastError, s.LastErrorAt = err.Error(), now })
}
