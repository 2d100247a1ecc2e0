package process

import (
	"os"
	"testing"
)

func TestParseStat(t *testing.T) {
	const tail = " S 1 42 43 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 0 0\n"
	for name, c := range map[string]struct {
		text string
		want proc
		ok   bool
	}{
		"plain":                  {"7 (sh)" + tail, proc{pid: 7, group: 42, session: 43, start: 98765}, true},
		"blanks and parenthesis": {"7 (a) R 9 (b" + ")" + tail, proc{pid: 7, group: 42, session: 43, start: 98765}, true},
		"cut off":                {"7 (sh) S 1 2", proc{}, false},
		"no name":                {"7 sh" + tail, proc{}, false},
		"empty":                  {"", proc{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseStat([]byte(c.text))
			if got != c.want || (err == nil) != c.ok {
				t.Errorf("parseStat: %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
	if p, err := readProc(os.Getpid()); err != nil || p.pid != os.Getpid() || p.start == 0 {
		t.Errorf("our own: %+v, %v", p, err)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("7 (sh) S 1 42 43 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 0 0\n"))
	f.Add([]byte(") ("))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := parseStat(data); err != nil && p != (proc{}) {
			t.Errorf("an error with a result: %+v", p)
		}
	})
}

func TestCgroupDir(t *testing.T) {
	const hybrid = "30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	for name, c := range map[string]struct{ mounts, groups, want string }{
		"unified": {
			"31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n", "0::/system.slice/berth.service\n", "/sys/fs/cgroup/system.slice/berth.service",
		},
		"hybrid":                   {hybrid, "9:pids:/\n0::/\n", "/sys/fs/cgroup/unified"},
		"none":                     {"30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n", "9:pids:/\n", ""},
		"outside of the namespace": {hybrid, "0::/../other\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cgroupDir([]byte(c.mounts), []byte(c.groups)); got != c.want {
				t.Errorf("cgroupDir = %q, want %q", got, c.want)
			}
		})
	}
}
