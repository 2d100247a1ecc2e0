package server

import "sync/atomic"

// Stats counts what a server did since it started.
type Stats struct {
	UDP, TCP     uint64 // queries
	Hot          uint64 // of these, answered from wire-format records
	Forwarded    uint64
	Dropped      uint64 // no query at all, or over the rate limit
	Limited      uint64 // answered with a bare TC because of the rate limit
	Refused      uint64
	Shed         uint64 // refused because too many wait
	Truncated    uint64
	SendErrors   uint64
	Rcodes       [16]uint64 // answers by rcode; BADVERS counts as 0
	Connections  int64      // open now
	InFlight     int64      // waiting for an upstream now
	Transfers    uint64
	ListenErrors uint64

	// From the read of a query to the write of its answer: of what is answered here, and of what is asked elsewhere. Queries that
	// came in one batch count as long as the batch.
	ZoneTime, ForwardTime Latency `json:"-"`
}

// tally is the counters of one goroutine or listener, apart from others in memory.
type tally struct {
	udp, tcp, hot, forwarded, dropped, limited, refused, shed, truncated, sendErrors, transfers atomic.Uint64

	rcodes [16]atomic.Uint64

	zoneTime, forwardTime latency

	_ [64]byte
}

func (t *tally) addTo(s *Stats) {
	s.UDP += t.udp.Load()
	s.TCP += t.tcp.Load()
	s.Hot += t.hot.Load()
	s.Forwarded += t.forwarded.Load()
	s.Dropped += t.dropped.Load()
	s.Limited += t.limited.Load()
	s.Refused += t.refused.Load()
	s.Shed += t.shed.Load()
	s.Truncated += t.truncated.Load()
	s.SendErrors += t.sendErrors.Load()
	s.Transfers += t.transfers.Load()
	t.zoneTime.addTo(&s.ZoneTime)
	t.forwardTime.addTo(&s.ForwardTime)
	for i := range t.rcodes {
		s.Rcodes[i] += t.rcodes[i].Load()
	}
}

// answered counts an answer by what it says.
func (t *tally) answered(reply []byte) {
	t.rcodes[reply[3]&rcodeMask].Add(1)
	if reply[2]&bitTC != 0 {
		t.truncated.Add(1)
	}
}
