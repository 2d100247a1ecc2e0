package forward

import (
	"context"
	"errors"
	"time"

	"github.com/miekg/dns"
)

var errNobody = errors.New("no upstream answered")

// order lists upstreams as they are to be asked: as configured, but those that rest last.
func order(list []*upstream, now time.Time) []*upstream {
	var up, rest []*upstream
	for _, u := range list {
		switch {
		case u.loops.Load():
		case u.resting(now):
			rest = append(rest, u)
		default:
			up = append(up, u)
		}
	}
	return append(up, rest...)
}

type outcome struct {
	m   *dns.Msg
	err error
}

// race asks one upstream; when that fails, or is silent for the hedge time, the next as well. The first answer counts. An
// answer of SERVFAIL or REFUSED counts only if nobody has a better one.
func (f *Forwarder) race(ctx context.Context, list []*upstream, m *dns.Msg, tcp bool) (*dns.Msg, error) {
	list = order(list, time.Now())
	ctx, cancel := context.WithTimeout(ctx, f.o.Deadline)
	defer cancel()
	results := make(chan outcome, len(list))
	next, running := 0, 0
	start := func() {
		u := list[next]
		next++
		running++
		f.tries.Go(func() {
			one, stop := context.WithTimeout(ctx, f.o.Timeout)
			defer stop()
			in, err := u.exchange(one, m, tcp)
			results <- outcome{in, err}
		})
	}
	var poor *dns.Msg
	errs := []error{errNobody}
	hedge := time.NewTicker(f.o.Hedge)
	defer hedge.Stop()
	for {
		if running == 0 {
			if next == len(list) {
				break
			}
			start()
			hedge.Reset(f.o.Hedge)
		}
		select {
		case <-hedge.C:
			if next < len(list) {
				start()
			}
		case r := <-results:
			running--
			switch {
			case r.err != nil:
				errs = append(errs, r.err)
			case r.m.Rcode == dns.RcodeServerFailure || r.m.Rcode == dns.RcodeRefused:
				poor = r.m
			default:
				return r.m, nil
			}
		case <-ctx.Done():
			if poor != nil {
				return poor, nil
			}
			return nil, errors.Join(append(errs, ctx.Err())...)
		}
	}
	if poor != nil {
		return poor, nil
	}
	return nil, errors.Join(errs...)
}
