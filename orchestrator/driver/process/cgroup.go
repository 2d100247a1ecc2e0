package process

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"berth/orchestrator/driver/sandbox"
)

// A cgroup (version 2, cgroups(7)) holds a task's processes together even when they leave its session and clear their
// environment. It needs a writable hierarchy; without one the task has none, and the other marks must do.

// makeCgroup puts pid into a new group below base, the daemon's own, and returns its directory, or "".
func makeCgroup(base, taskDir string, pid int) string {
	if base == "" {
		return ""
	}
	dir := filepath.Join(base, "berth-"+sandbox.Name(taskDir))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return ""
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
		os.Remove(dir)
		return ""
	}
	return dir
}

// ownCgroup is the directory of this process's group in the version 2 hierarchy, "" if there is none.
func ownCgroup() string {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	return cgroupDir(mounts, groups)
}

// cgroupDir combines a line of mountinfo (proc(5): the mount point is field 5, the type follows " - ") with the line
// "0::/path" of /proc/<pid>/cgroup.
func cgroupDir(mountinfo, cgroup []byte) string {
	mount, path := "", ""
	for s := bufio.NewScanner(bytes.NewReader(mountinfo)); s.Scan(); {
		before, after, ok := strings.Cut(s.Text(), " - ")
		if f := strings.Fields(before); ok && strings.HasPrefix(after, "cgroup2 ") && len(f) >= 5 && mount == "" {
			mount = f[4]
		}
	}
	for s := bufio.NewScanner(bytes.NewReader(cgroup)); s.Scan(); {
		if p, ok := strings.CutPrefix(s.Text(), "0::"); ok {
			path = p
		}
	}
	if mount == "" || path == "" || strings.Contains(path, "..") {
		return ""
	}
	return filepath.Join(mount, path)
}

// cgroupProcs lists the processes of a group and of those the task made below it.
func cgroupProcs(dir string) []int {
	var out []int
	if dir == "" {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Name() != "cgroup.procs" {
			return nil // a group that vanishes while we look has no processes
		}
		data, _ := os.ReadFile(path)
		for _, f := range strings.Fields(string(data)) {
			if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
				out = append(out, pid)
			}
		}
		return nil
	})
	return out
}

// removeCgroup removes an empty group with those below it. The kernel may need a moment to see that it is empty.
func removeCgroup(dir string) {
	if dir == "" {
		return
	}
	var dirs []string
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	for i := len(dirs) - 1; i >= 0; i-- {
		for try := 0; try < 10 && os.Remove(dirs[i]) != nil; try++ {
			time.Sleep(time.Duration(try) * time.Millisecond)
		}
	}
}
