package process

import (
	"errors"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// members finds every living process of the task: those in its cgroup, those with its mark in their environment, and,
// while the supervising shell is alive or not yet collected, those in its session or group. Afterwards the shell's
// number may belong to a stranger, so the session says nothing any more.
func (t *task) members(s *scanner) ([]proc, error) {
	all, err := s.look()
	if err != nil {
		return nil, err
	}
	grouped := cgroupProcs(t.rec.Cgroup)
	leader := t.leaderPresent()
	var ours []proc
	for _, p := range all {
		if slices.Contains(grouped, p.pid) || leader && (p.session == t.rec.PID || p.group == t.rec.PID) || p.mark == t.dir {
			ours = append(ours, p)
		}
	}
	return ours, nil
}

// leaderPresent reports whether the shell's pid is still the shell's, as a living process or as one not yet collected.
func (t *task) leaderPresent() bool {
	p, err := readProc(t.rec.PID)
	return err == nil && p.start == t.rec.StartTime
}

// signalAll sends sig to all of the task: to the group in one step, so that no fork slips through, then to those that
// left it.
func (t *task) signalAll(s *scanner, sig syscall.Signal) error {
	if t.leaderPresent() {
		if err := unix.Kill(-t.rec.PID, sig); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	ms, err := t.members(s)
	if err != nil {
		return err
	}
	for _, m := range ms {
		if m.group != t.rec.PID {
			signalProc(m, sig)
		}
	}
	return nil
}

// signalProc ignores a process that has ended meanwhile; one that may not be signalled is seen when it stays.
func signalProc(p proc, sig syscall.Signal) {
	h, err := openHandle(p.pid, p.start)
	if err != nil {
		return
	}
	defer h.close()
	_ = h.signal(sig)
}
