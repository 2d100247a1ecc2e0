package process

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// handle refers to one process and cannot be mistaken for a later one with the same pid. It holds a pidfd
// (pidfd_open(2), Linux 5.3), which the Go runtime's poller watches, so waiting costs neither a thread nor polling. On
// an older kernel pidfd is nil, and pid with start time stand in.
type handle struct {
	pid   int
	start uint64
	pidfd *os.File
}

var errGone = errors.New("the process is gone")

// fallbackPoll is how often a process is looked at where there are no pidfds.
const fallbackPoll = 250 * time.Millisecond

// openHandle returns errGone if there is no such process any more.
func openHandle(pid int, start uint64) (*handle, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.EINVAL) { // Linux 5.3 to 5.9 know no flags
		if fd, err = unix.PidfdOpen(pid, 0); err == nil {
			err = unix.SetNonblock(fd, true)
		}
	}
	h := &handle{pid: pid, start: start}
	switch {
	case err == nil:
		h.pidfd = os.NewFile(uintptr(fd), "pidfd")
	case errors.Is(err, unix.ESRCH):
		return nil, errGone
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return nil, err
	}
	// The pidfd is open first and compared second: from here on the number cannot change hands unnoticed.
	if !alive(pid, start) {
		h.close()
		return nil, errGone
	}
	return h, nil
}

func (h *handle) close() {
	if h.pidfd != nil {
		h.pidfd.Close()
	}
}

// wait returns nil when the process has ended, or the context's error.
func (h *handle) wait(ctx context.Context) error {
	if h.pidfd == nil {
		return h.waitPolling(ctx)
	}
	raw, err := h.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = h.pidfd.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err = raw.Read(func(fd uintptr) bool { return readable(int(fd)) })
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	return err
}

// readable reports whether fd is: a pidfd is when its process has ended.
func readable(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}

func (h *handle) waitPolling(ctx context.Context) error {
	tick := time.NewTicker(fallbackPoll)
	defer tick.Stop()
	for alive(h.pid, h.start) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func (h *handle) signal(sig syscall.Signal) error {
	if h.pidfd != nil {
		raw, err := h.pidfd.SyscallConn()
		if err != nil {
			return err
		}
		var sent error
		err = raw.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) })
		return errors.Join(err, sent)
	}
	if !alive(h.pid, h.start) {
		return unix.ESRCH
	}
	return unix.Kill(h.pid, sig)
}

// reap collects the process if it is a child of this one; where it is not, init does.
func (h *handle) reap() {
	for {
		_, err := unix.Wait4(h.pid, nil, unix.WNOHANG, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
