package process

import "sync"

// scanner looks through /proc for many tasks at once: whoever asks gets a look that began after asking, and all who ask
// while one is under way share the next. However many tasks are being stopped, one look is under way and one waits.
type scanner struct {
	read func() ([]proc, error)
	turn chan struct{} // one place, taken by the look under way

	mu   sync.Mutex
	next *scan // has not begun; nil: nobody waits
}

// scan is one look. Its result may be read once done is closed.
type scan struct {
	done chan struct{}
	all  []proc
	err  error
}

func newScanner(read func() ([]proc, error)) *scanner {
	return &scanner{read: read, turn: make(chan struct{}, 1)}
}

// look lists all processes that have not ended, with their marks. The list is shared and must not be changed.
func (s *scanner) look() ([]proc, error) {
	s.mu.Lock()
	sc, first := s.next, s.next == nil
	if first {
		sc = &scan{done: make(chan struct{})}
		s.next = sc
	}
	s.mu.Unlock()
	if first {
		s.make(sc)
	}
	<-sc.done
	return sc.all, sc.err
}

func (s *scanner) make(sc *scan) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.mu.Lock()
	s.next = nil // who comes from now on would miss what has been read by then
	s.mu.Unlock()
	sc.all, sc.err = s.read()
	close(sc.done)
}
