// Command benchdns measures dnsd beside other name servers that serve the same zone, with dnsperf on loopback, all on the
// same processors and one after the other, and prints queries per second and ratios. scripts/bench-dns runs it.
//
//	apps → dnsd zone → zone file → knotd, nsd, coredns
//	apps → a Marathon of one answer → dnsd
//
// Every load is bounded in time and in queries under way.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// settings of one run.
type settings struct {
	seconds  int
	clients  int
	threads  int
	inFlight int
	dnsd     string // the program
	coredns  string // the program, "" for none
}

func main() {
	var s settings
	flag.IntVar(&s.seconds, "seconds", 4, "length of each measurement")
	flag.IntVar(&s.clients, "clients", 8, "dnsperf's clients, each with a socket of its own")
	flag.IntVar(&s.threads, "threads", 1, "dnsperf's threads")
	flag.IntVar(&s.inFlight, "in-flight", 200, "queries under way at a time")
	flag.StringVar(&s.dnsd, "dnsd", "bin/dnsd", "the program to measure")
	flag.StringVar(&s.coredns, "coredns", os.Getenv("COREDNS"), "CoreDNS' program, if it is to be measured too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "benchdns:", err)
		os.Exit(1)
	}
}

func (s *settings) run(ctx context.Context) error {
	for _, names := range []int{1000, 100_000} {
		if err := s.size(ctx, names); err != nil {
			return err
		}
	}
	return nil
}

// size measures all servers with a zone of about so many names.
func (s *settings) size(ctx context.Context, names int) error {
	dir, err := os.MkdirTemp("", "benchdns-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // nsd becomes somebody else
		return err
	}
	w, err := s.prepare(ctx, dir, names)
	if err != nil {
		return err
	}
	fmt.Printf("%d names, %s each, dnsperf -c %d -T %d -q %d\n", w.names, time.Duration(s.seconds)*time.Second,
		s.clients, s.threads, s.inFlight)
	base := map[string]float64{}
	for _, sv := range s.servers(w) {
		if err := s.measure(ctx, w, sv, base); err != nil {
			fmt.Printf("  %-8s not measured: %v\n", sv.name, err)
		}
	}
	fmt.Println()
	return nil
}

// measure prints the figures of one server, and what part of dnsd's they are.
func (s *settings) measure(ctx context.Context, w *work, sv server, base map[string]float64) error {
	p, err := sv.start(ctx, w.dir)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := w.await(ctx, sv.port); err != nil {
		return fmt.Errorf("%w\n%s", err, p.log())
	}
	fmt.Printf("  %-8s", sv.name)
	for _, kind := range []string{"A", "SRV"} {
		r, err := s.dnsperf(ctx, sv.port, filepath.Join(w.dir, "queries-"+kind))
		if err != nil {
			return err
		}
		fmt.Printf("  %s %8.0f q/s", kind, r.perSecond)
		if ours, ok := base[kind]; ok {
			fmt.Printf(" (dnsd/%s %.2f)", sv.name, ours/r.perSecond)
		} else {
			base[kind] = r.perSecond
		}
		if r.lost > 0 {
			fmt.Printf(" lost %d", r.lost)
		}
	}
	fmt.Printf("  memory %d MB\n", p.memory()>>20)
	return nil
}
