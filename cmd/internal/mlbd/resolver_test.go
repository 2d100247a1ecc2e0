package mlbd

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func testResolver(t *testing.T, ask func(context.Context, string) (string, bool), changed func(string)) *resolver {
	t.Helper()
	r := newResolver(patience, changed)
	r.ask = ask
	return r
}

func TestAnswersAreKeptAndRefreshedInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked, told atomic.Int32
		ip := atomic.Value{}
		ip.Store("10.0.0.1")
		r := testResolver(t, func(context.Context, string) (string, bool) {
			asked.Add(1)
			return ip.Load().(string), true
		}, func(string) { told.Add(1) })
		defer r.close()
		for range 3 {
			if got, ok := r.lookup("a"); !ok || got != "10.0.0.1" {
				t.Fatalf("lookup: %q %v", got, ok)
			}
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times, want 1", n)
		}
		synctest.Wait()
		told.Store(0)
		ip.Store("10.0.0.2")
		time.Sleep(goodFor + time.Second)
		if got, _ := r.lookup("a"); got != "10.0.0.1" {
			t.Errorf("an expired answer was not used while a new one was asked for: %q", got)
		}
		synctest.Wait()
		if got, _ := r.lookup("a"); got != "10.0.0.2" || told.Load() != 1 {
			t.Errorf("after the refresh: %q, told %d times", got, told.Load())
		}
	})
}

func TestDNSOutageIsWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := testResolver(t, func(ctx context.Context, _ string) (string, bool) {
			ctx, cancel := context.WithTimeout(ctx, lookupTime)
			defer cancel()
			<-ctx.Done()
			return "", false
		}, nil)
		defer r.close()
		began := time.Now()
		for _, host := range []string{"a", "b", "c", "d", "e", "f"} {
			if ip, ok := r.lookup(host); ok {
				t.Errorf("lookup %s: %q", host, ip)
			}
		}
		if took := time.Since(began); took > patience {
			t.Errorf("six names that do not answer took %v, want at most %v", took, patience)
		}
	})
}

func TestLastGoodAnswerOutlivesDNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		r := testResolver(t, func(context.Context, string) (string, bool) { return "10.0.0.1", !down.Load() }, nil)
		defer r.close()
		r.lookup("a")
		down.Store(true)
		for range 5 {
			time.Sleep(goodFor + time.Second)
			if ip, ok := r.lookup("a"); !ok || ip != "10.0.0.1" {
				t.Fatalf("lookup: %q %v", ip, ok)
			}
			synctest.Wait()
		}
	})
}
