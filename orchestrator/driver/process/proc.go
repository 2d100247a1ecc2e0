package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// proc is one line of /proc: a process and the groups it belongs to.
type proc struct {
	pid, group, session int
	start               uint64 // clock ticks after boot: with the pid, it names a process for good
	zombie              bool
	mark                string // the task directory in its environment; filled in by processes alone
}

// readProc reads /proc/<pid>/stat (proc(5)). A process that is gone gives os.ErrNotExist.
func readProc(pid int) (proc, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return proc{}, err
	}
	return parseStat(data)
}

// parseStat takes apart
//
//	4711 (name, which may hold blanks and parentheses) S ppid pgrp session … starttime(field 22) …
func parseStat(data []byte) (proc, error) {
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 1 || end < open {
		return proc{}, errors.New("parse /proc/<pid>/stat: no process name")
	}
	f := strings.Fields(string(data[end+1:]))
	if len(f) < 20 {
		return proc{}, fmt.Errorf("parse /proc/<pid>/stat: %d fields after the name, expected 20 or more", len(f))
	}
	pid, err1 := strconv.Atoi(strings.TrimSpace(string(data[:open])))
	group, err2 := strconv.Atoi(f[2])
	session, err3 := strconv.Atoi(f[3])
	start, err4 := strconv.ParseUint(f[19], 10, 64)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return proc{}, fmt.Errorf("parse /proc/<pid>/stat: %w", err)
	}
	return proc{pid: pid, group: group, session: session, start: start, zombie: f[0] == "Z" || f[0] == "X"}, nil
}

// alive reports whether the process that had this pid and start time still runs.
func alive(pid int, start uint64) bool {
	p, err := readProc(pid)
	return err == nil && p.start == start && !p.zombie
}

// processes lists all processes of the host that have not ended, with their marks.
func processes() ([]proc, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var out []proc
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		if p, err := readProc(pid); err == nil && !p.zombie {
			p.mark = lookupEnv(environ(p.pid), marker)
			out = append(out, p)
		}
	}
	return out, nil
}

// environ returns the environment a process was started with; nil if it may not be read.
func environ(pid int) []string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil || len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
}

// bootID is a random value of this boot, "" where the kernel tells none.
func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
