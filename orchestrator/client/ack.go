package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"berth/orchestrator/api"
)

const (
	ackLimit = 5 * time.Second        // one attempt
	ackRetry = 250 * time.Millisecond // first wait after one that failed
	ackMax   = 2 * time.Second        // longest wait
)

// Ack reports how far a follower has come. Against a real Marathon, which has no such endpoint, it does nothing.
//
// While a Watch runs, Ack only hands the report over and returns nil: it may be called from deliver. A newer report
// replaces one that is not sent yet, and one that could not be sent is tried again until then. Otherwise Ack sends.
// A report of more than what this stream's snapshots held is dropped: it speaks of a store's history that has ended.
// Subscriber and Role are filled in from the options; without a subscriber there is nobody to report for.
func (c *Client) Ack(ctx context.Context, ack api.Ack) error {
	if ack.Subscriber == "" {
		ack.Subscriber, ack.Role = c.opt.Subscriber, c.opt.Role
	}
	if ack.Subscriber == "" || c.noAcks.Load() {
		return nil
	}
	c.mu.Lock()
	out, limit := c.acks, c.status.Index
	c.mu.Unlock()
	if out != nil {
		if ack.Index <= limit {
			out.put(ack)
		}
		return nil
	}
	err := c.sendAck(ctx, ack)
	if errors.Is(err, errNoAcks) {
		c.noAcks.Store(true)
		return nil
	}
	return err
}

// leaveLimit bounds a goodbye: it is the last thing a follower does.
const leaveLimit = 2 * time.Second

// Leave tells the server that this follower ends and carries nothing any more, so that deployments need not wait until it
// counts as gone. It is for the end of an orderly stop; where it does not arrive, nothing but that wait is lost.
func (c *Client) Leave(ctx context.Context) error {
	if c.opt.Subscriber == "" || c.noAcks.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, leaveLimit)
	defer cancel()
	err := c.sendAck(ctx, api.Ack{Subscriber: c.opt.Subscriber, Role: c.opt.Role, Leaving: true})
	if errors.Is(err, errNoAcks) {
		return nil
	}
	return err
}

// errNoAcks says that the server knows no reports.
var errNoAcks = errors.New("acknowledge: the server has no such endpoint")

// sendAck posts one report.
func (c *Client) sendAck(ctx context.Context, ack api.Ack) error {
	doc, err := json.Marshal(ack)
	if err != nil {
		return err
	}
	rq := request{method: http.MethodPost, path: "/v1/acks", body: doc, limit: ackLimit}
	err = c.do(ctx, rq, func(answer) error { return nil })
	var no *refused
	switch {
	case err == nil:
		c.note(func(s *Status) { s.AcksSent++ })
	case errors.As(err, &no) && (no.status == http.StatusNotFound || no.status == http.StatusMethodNotAllowed):
		return errNoAcks
	}
	return err
}

// outbox holds the report to be sent next.
type outbox struct {
	mu   sync.Mutex
	next *api.Ack
	era  int // counts calls of clear
	wake chan struct{}
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

func (o *outbox) put(a api.Ack) {
	o.mu.Lock()
	o.next = &a
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) take() (a *api.Ack, era int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a, o.next = o.next, nil
	return a, o.era
}

// clear drops what is not sent yet and begins a new era, calling f under the lock.
func (o *outbox) clear(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next = nil
	o.era++
	f()
}

// during calls f, under the lock, unless the era is over.
func (o *outbox) during(era int, f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.era == era {
		f()
	}
}

// giveBack puts a report back that could not be sent, unless there is a newer one; o.mu is held.
func (o *outbox) giveBack(a *api.Ack) {
	if o.next == nil {
		o.next = a
	}
}

// sendAcks sends what is put into the outbox until ctx ends.
func (c *Client) sendAcks(ctx context.Context, o *outbox) {
	wait := ackRetry
	for {
		select {
		case <-o.wake:
		case <-ctx.Done():
			return
		}
		for a, era := o.take(); a != nil && !c.noAcks.Load(); a, era = o.take() {
			err := c.sendAck(ctx, *a)
			if ctx.Err() != nil {
				return
			}
			var no *refused
			switch {
			case err == nil:
				wait = ackRetry
			case errors.Is(err, errNoAcks):
				o.during(era, func() { c.noAcks.Store(true) })
			case errors.As(err, &no) && no.status/100 == 4 && !passOver(http.MethodPost, no.status):
				c.noteError(err, time.Now()) // it would be refused again
			default:
				c.noteError(err, time.Now())
				o.during(era, func() { o.giveBack(a) })
				pause(ctx, wait)
				wait = min(2*wait, ackMax)
			}
		}
	}
}
