package haproxy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Procs is what the master answers to "show proc".
type Procs struct {
	Master  int   // pid
	Workers []int // current worker; more than one only while a new one starts
	Old     []int // workers of earlier configurations that still finish their connections
	Reloads int   // reloads asked for since the last one that worked, and that one
	Failed  int   // reloads that failed since the last one that worked
}

// PIDs lists all processes: master, current worker, old workers.
func (p Procs) PIDs() []int {
	return append(append([]int{p.Master}, p.Workers...), p.Old...)
}

var failedReloads = regexp.MustCompile(`\[failed: (\d{1,9})\]`)

// parseProcs reads the table of "show proc" (HAProxy management guide, section 9.4):
//
//	#<PID>          <type>          <reloads>       <uptime>        <version>
//	18798           master          1 [failed: 0]   0d00h00m03s     2.6.12
//	# workers
//	19014           worker          0               0d00h00m01s     2.6.12
//	# old workers
//	18801           worker          1               0d00h00m09s     2.6.12
//	# programs
//
// After a failed reload the worker that goes on serving counts as current, although its number of reloads is not 0.
func parseProcs(text string) (Procs, error) {
	var p Procs
	old := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			old = strings.HasPrefix(line, "# old")
			continue
		}
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		pid, err := strconv.Atoi(f[0])
		if err != nil || pid <= 0 {
			return Procs{}, fmt.Errorf("unexpected answer to show proc: %q", shorten(line))
		}
		switch {
		case f[1] == "master":
			p.Master = pid
			p.Reloads, _ = strconv.Atoi(f[2])
			if m := failedReloads.FindStringSubmatch(line); m != nil {
				p.Failed, _ = strconv.Atoi(m[1])
			}
		case f[1] == "worker" && old:
			p.Old = append(p.Old, pid)
		case f[1] == "worker":
			p.Workers = append(p.Workers, pid)
		}
	}
	if p.Master == 0 {
		return Procs{}, fmt.Errorf("unexpected answer to show proc: %q", shorten(text))
	}
	return p, nil
}
