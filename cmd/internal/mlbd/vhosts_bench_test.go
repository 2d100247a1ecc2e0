package mlbd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var perSecond = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)

// wrk asks for random ones of n virtual hosts for a second and returns the requests per second.
func (f *fleet) wrk(b *testing.B, n int) float64 {
	b.Helper()
	script := filepath.Join(b.TempDir(), "hosts.lua")
	text := fmt.Sprintf(`math.randomseed(1)
request = function()
  return wrk.format("GET", "/", {["Host"] = string.format("app%%05d.test", math.random(0, %d))})
end
`, n-1)
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	out, err := exec.Command("wrk", "-t1", "-c16", "-d1s", "-s", script, "http://"+f.address+"/").CombinedOutput()
	m := perSecond.FindSubmatch(out)
	if err != nil || m == nil || strings.Contains(string(out), "Non-2xx") {
		b.Fatalf("wrk: %v\n%s", err, out)
	}
	rate, _ := strconv.ParseFloat(string(m[1]), 64)
	return rate
}

// BenchmarkVirtualHosts compares what goes through at 10, 1,000 and 10,000 virtual hosts, all of them asked for at random, and at 10,000 of
// which 10 are asked for: what the lookup costs, without the memory that 10,000 backends touch. The load balancers run side by
// side and take turns, so that a noisy machine is equally noisy to all.
func BenchmarkVirtualHosts(b *testing.B) {
	if _, err := exec.LookPath("wrk"); err != nil {
		b.Skip("SKIPPED, needs wrk: scripts/install-deps wrk")
	}
	cases := []struct {
		name        string
		apps, asked int
	}{{"10", 10, 10}, {"1000", 1000, 1000}, {"10000", 10000, 10000}, {"10000-asked-for-10", 10000, 10}}
	fleets := map[int]*fleet{}
	for i, c := range cases {
		if fleets[c.apps] == nil {
			fleets[c.apps] = newFleetAt(b, fmt.Sprintf("127.77.1.%d", i+1), c.apps, 0)
		}
	}
	rates := make([][]float64, len(cases))
	for b.Loop() {
		for turn := range 15 {
			for k := range cases {
				i := (turn + k) % len(cases)
				rates[i] = append(rates[i], fleets[cases[i].apps].wrk(b, cases[i].asked))
			}
		}
	}
	middle := func(list []float64) float64 { slices.Sort(list); return list[len(list)/2] }
	for i, c := range cases {
		b.ReportMetric(middle(rates[i]), "rq/s@"+c.name)
		b.ReportMetric(middle(rates[i])/middle(rates[0]), "ratio@"+c.name)
	}
	b.ReportMetric(0, "ns/op")
}

// worker tells the resident memory in KiB and the open files of HAProxy's worker.
func (f *fleet) worker(b *testing.B) (kib, files int) {
	b.Helper()
	pid := strings.Fields(f.pids())[1] // after the master
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ = strconv.Atoi(strings.Fields(rest)[0])
		}
	}
	open, err := os.ReadDir("/proc/" + pid + "/fd")
	if err != nil {
		b.Fatal(err)
	}
	return kib, len(open)
}

// BenchmarkStore tells what backends and ports in store cost: memory and open files of a worker, and the time of a reload.
func BenchmarkStore(b *testing.B) {
	for _, spares := range []int{0, 16, 100, 900} {
		b.Run(fmt.Sprintf("spares=%d", spares), func(b *testing.B) {
			f := newFleetAt(b, benchAddress, 100, spares)
			var took []time.Duration
			for b.Loop() {
				for range 9 {
					began := time.Now()
					f.admin("/_mlb_signal/usr1")
					took = append(took, time.Since(began))
				}
			}
			slices.Sort(took)
			kib, files := f.worker(b)
			b.ReportMetric(float64(kib), "worker-KiB")
			b.ReportMetric(float64(files), "worker-files")
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "reload-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}
