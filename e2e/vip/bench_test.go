//go:build e2e

package vip

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"berth/orchestrator/api"
	"berth/vip/nettest"
)

// many makes n apps with a named VIP and three remote backends each.
func many(n int) []*api.AppInfo {
	apps := make([]*api.AppInfo, n)
	for i := range apps {
		id := fmt.Sprintf("/many/app%05d", i)
		apps[i] = app(id, "tcp", []string{id + ":80"}, "d1", "d1", "d1")
		for j := range apps[i].Tasks {
			apps[i].Tasks[j].ID = fmt.Sprintf("app%05d.%d", i, j)
			apps[i].Tasks[j].Ports = []int{1024 + (3*i+j)%60000}
		}
	}
	return apps
}

// BenchmarkFromEmpty measures from the start of the process until all of 30,000 and of 44,000 VIPs are in force, with the
// processor's time that the daemon took for it, and one more at 30,000 until it is acknowledged.
func BenchmarkFromEmpty(b *testing.B) {
	w := newWorld(b)
	apps := many(44000)
	load := func(n int) *daemon {
		w.source.SetApps(apps[:n]...)
		start := time.Now()
		d := w.start(b)
		b.ReportMetric(time.Since(start).Seconds(), fmt.Sprintf("s-%d-from-start-of-process", n))
		b.ReportMetric(processorTime(b, d.cmd.Process.Pid).Seconds(), fmt.Sprintf("cpu-s-%d", n))
		return d
	}
	d := load(30000)
	before := processorTime(b, d.cmd.Process.Pid)
	var more []time.Duration
	const times = 20
	for i := range times {
		start := time.Now()
		w.set(b, d, apps[30000+i])
		more = append(more, time.Since(start))
	}
	own := processorTime(b, d.cmd.Process.Pid) - before
	slices.Sort(more)
	b.ReportMetric(float64(more[times/2].Microseconds())/1000, "ms-one-more-at-30000")
	b.ReportMetric(float64(own.Microseconds())/1000/times, "cpu-ms-one-more-at-30000")
	d.kill()
	run(b, "nft", "delete", "table", "inet", "berth_vip")
	load(44000)
	b.ReportMetric(0, "ns/op")
}

// processorTime is what a process has used so far, in user and kernel mode, in steps of 10 ms (proc_pid_stat(5)).
func processorTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	f := strings.Fields(rest)
	const utime, stime = 11, 12 // counted from the state
	if len(f) <= stime {
		b.Fatalf("stat: %q", data)
	}
	ticks := 0
	for _, s := range []string{f[utime], f[stime]} {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// BenchmarkThroughVIP compares three ways to a task on the other node, turn by turn, at 1, 1,000 and 10,000 VIPs: directly,
// through a VIP, and, for contrast, through an HAProxy in tcp mode on this node. What counts is the ratio to the direct way,
// of connections opened per second and of bytes received over one connection: all share the machine at the same time.
func BenchmarkThroughVIP(b *testing.B) {
	nettest.Need(b, "haproxy")
	w := newWorld(b)
	const bulkPort = 31010
	pour(b, w.node2, bulkPort)
	d := w.start(b)
	bulk := app("/bulk", "tcp", []string{"198.51.100.2:80"}, "d1")
	bulk.Tasks[0].Ports = []int{bulkPort}
	w.set(b, d, app("/web", "tcp", []string{web}, "d1"), bulk)
	const proxyWeb, proxyBulk = "127.0.0.1:18080", "127.0.0.1:18081"
	pid := startProxy(b, map[string]string{proxyWeb: "192.168.77.2:31003", proxyBulk: fmt.Sprintf("192.168.77.2:%d", bulkPort)})
	for _, n := range []int{1, 1000, 10000} {
		if n > 1 {
			w.set(b, d, many(n)...)
		}
		compare(b, fmt.Sprintf("%d-VIPs-conn", n), "192.168.77.2:31003", web, proxyWeb, pid, func(addr string) float64 {
			return rate(b, w.node1, addr)
		})
		compare(b, fmt.Sprintf("%d-VIPs-bytes", n), fmt.Sprintf("192.168.77.2:%d", bulkPort), "198.51.100.2:80", proxyBulk, pid,
			func(addr string) float64 { return throughput(b, w.node1, addr) })
	}
	b.ReportMetric(0, "ns/op")
}

// compare measures turn by turn, each way the first in its turn. It reports the medians of the rounds, so that another
// program's moment on the machine spoils one round and not the result, and how many there were of direct, VIP and proxy for the
// same time of the processor (this process, which is client, task and most of the kernel's work, and the proxy): on a busy machine
// that tells more.
func compare(b *testing.B, what, direct, vip, proxy string, proxyPID int, measure func(addr string) float64) {
	b.Helper()
	ways := []string{direct, vip, proxy}
	var perSecond, byVIP, byProxy []float64
	var total, cpu [3]float64
	const rounds = 15
	for i := range rounds {
		var n [3]float64
		for j := range ways {
			j = (i + j) % len(ways)
			before := processorTime(b, os.Getpid()) + processorTime(b, proxyPID)
			n[j] = measure(ways[j])
			cpu[j] += (processorTime(b, os.Getpid()) + processorTime(b, proxyPID) - before).Seconds()
			total[j] += n[j]
		}
		perSecond = append(perSecond, n[1]/measureTime.Seconds())
		byVIP, byProxy = append(byVIP, n[1]/n[0]), append(byProxy, n[2]/n[0])
	}
	for unit, list := range map[string][]float64{"/s-VIP": perSecond, "-VIP/direct": byVIP, "-haproxy/direct": byProxy} {
		slices.Sort(list)
		b.ReportMetric(list[rounds/2], what+unit)
	}
	each := func(j int) float64 { return total[j] / cpu[j] }
	b.ReportMetric(each(1)/each(0), what+"-VIP/direct-by-cpu")
	b.ReportMetric(each(2)/each(0), what+"-haproxy/direct-by-cpu")
}

const measureTime = 120 * time.Millisecond

// rate counts the connections that the server at the far end greets, two at a time; each is reset, so that no port is left
// waiting.
func rate(b *testing.B, ns nettest.NS, addr string) float64 {
	b.Helper()
	var n atomic.Int64
	var group sync.WaitGroup
	until := time.Now().Add(measureTime)
	for range 2 {
		group.Go(func() {
			err := ns.Do(func() error {
				for time.Now().Before(until) {
					c, err := net.DialTimeout("tcp", addr, time.Second)
					if err != nil {
						return err
					}
					_ = c.(*net.TCPConn).SetLinger(0)
					var greeting [64]byte
					_, err = c.Read(greeting[:])
					c.Close()
					if err != nil {
						return err
					}
					n.Add(1)
				}
				return nil
			})
			if err != nil {
				b.Error(err)
			}
		})
	}
	group.Wait()
	return float64(n.Load())
}

// throughput counts the bytes that arrive over one connection.
func throughput(b *testing.B, ns nettest.NS, addr string) float64 {
	b.Helper()
	c, err := dial(ns, "tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.SetReadDeadline(time.Now().Add(measureTime))
	n, err := io.Copy(io.Discard, c)
	var late net.Error
	if !errors.As(err, &late) || !late.Timeout() {
		b.Fatalf("after %d bytes: %v", n, err)
	}
	return float64(n)
}

// pour sends zeros to whoever connects, until they go.
func pour(b *testing.B, ns nettest.NS, port int) {
	b.Helper()
	var l net.Listener
	ns.Must(b, func() (err error) {
		l, err = net.Listen("tcp", fmt.Sprintf(":%d", port))
		return err
	})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer c.Close()
				for buf := make([]byte, 256<<10); err == nil; {
					_, err = c.Write(buf)
				}
			})
		}
	})
	b.Cleanup(func() {
		l.Close()
		group.Wait()
	})
}

// startProxy runs an HAProxy in tcp mode in this namespace: from listening address to server. It returns its process id.
func startProxy(b *testing.B, ways map[string]string) (pid int) {
	b.Helper()
	text := "global\n  nbthread 2\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n"
	for from, to := range ways {
		text += fmt.Sprintf("listen l%s\n  bind %s\n  server s %s\n", from[strings.Index(from, ":")+1:], from, to)
	}
	file := filepath.Join(b.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command("haproxy", "-db", "-f", file)
	out := &lines{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for from := range ways {
		eventually(b, "haproxy at "+from, func() error {
			c, err := net.DialTimeout("tcp", from, time.Second)
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return c.Close()
		})
	}
	return cmd.Process.Pid
}
