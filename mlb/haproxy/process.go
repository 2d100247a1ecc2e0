package haproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is one running process and no other: pids are used again, a pid with a start time is not.
type process struct {
	pid     int
	started uint64 // clock ticks after boot
}

// find returns the process that has this pid now.
func find(pid int) (process, error) {
	started, err := startTime(pid)
	return process{pid, started}, err
}

// errEnded means that a process is no more.
var errEnded = errors.New("process has ended")

// open returns a descriptor that stands for the process (pidfd_open(2)).
func (p process) open() (*os.File, error) {
	fd, err := unix.PidfdOpen(p.pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil, errEnded
	}
	if err != nil {
		return nil, fmt.Errorf("open process %d: %w", p.pid, err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	if started, err := startTime(p.pid); err != nil || started != p.started {
		_ = f.Close()
		return nil, errEnded
	}
	return f, nil
}

// wait returns nil when the process has ended, and ctx's error when ctx ends first.
func (p process) wait(ctx context.Context) error {
	f, err := p.open()
	if errors.Is(err, errEnded) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("wait for process %d: %w", p.pid, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err = raw.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return err == nil && n > 0
	})
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("wait for process %d: %w", p.pid, err)
	}
	reap(p.pid)
	return nil
}

// alive says whether the process still runs; a zombie does not.
func (p process) alive() bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return p.wait(ctx) != nil
}

// signal sends s; to a process that has ended it does nothing.
func (p process) signal(s syscall.Signal) error {
	f, err := p.open()
	if errors.Is(err, errEnded) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	raw, err := f.SyscallConn()
	if err == nil {
		var sent error
		err = raw.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), s, nil, 0) })
		err = errors.Join(err, sent)
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal process %d: %w", p.pid, err)
	}
	return nil
}

// reap collects the exit status if the process is a child of ours; of others it does nothing.
func reap(pid int) { _, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) }

// startTime reads field 22 of /proc/<pid>/stat (proc(5)): fields are separated by blanks, but the second is the program's
// name in parentheses and may contain anything.
func startTime(pid int) (uint64, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("start time of process %d: %w", pid, err)
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(f) < 20 {
		return 0, fmt.Errorf("start time of process %d: unexpected stat", pid)
	}
	ticks, err := strconv.ParseUint(f[19], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("start time of process %d: %w", pid, err)
	}
	return ticks, nil
}

// runs says whether the process was started with this configuration file.
func runs(pid int, config string) bool {
	args, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return err == nil && bytes.Contains(args, []byte("\x00-f\x00"+config+"\x00"))
}

// spawn starts a master in a session of its own, so that neither a signal to mlb's group nor mlb's end reaches it. Its
// messages go to the named pipe.
func spawn(b *Binary, p Paths) (process, error) {
	out, err := openPipe(p.Log)
	if err != nil {
		return process{}, err
	}
	defer out.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return process{}, fmt.Errorf("start haproxy: %w", err)
	}
	defer null.Close()
	args := []string{b.Path, "-W", "-S", p.Master + ",mode,600", "-f", p.Config}
	child, err := os.StartProcess(b.Path, args, &os.ProcAttr{
		Dir:   p.Dir(),
		Env:   environment(),
		Files: []*os.File{null, out, out},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return process{}, fmt.Errorf("start haproxy: %w", err)
	}
	// Handing the descriptor over made it blocking; HAProxy must never wait for a reader.
	if err := unix.SetNonblock(int(out.Fd()), true); err != nil {
		_ = child.Kill()
		return process{}, fmt.Errorf("start haproxy: %w", err)
	}
	pid := child.Pid
	_ = child.Release()
	master, err := find(pid) // a zombie at worst: nobody but us reaps it
	if err != nil {
		return process{}, fmt.Errorf("start haproxy: %w", err)
	}
	return master, nil
}
