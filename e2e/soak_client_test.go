//go:build e2e && soak

package e2e

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// errsKept bounds the list of failures that a client remembers.
const errsKept = 20

// tally counts what clients of one kind have seen.
type tally struct {
	mu     sync.Mutex
	sent   int
	failed int
	idle   int // connections that the load balancer closed while they were idle, which it may
	slow   time.Duration
	errs   []string
}

func (t *tally) good(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent++
	t.slow = max(t.slow, took)
}

func (t *tally) bad(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent++
	t.failed++
	if len(t.errs) < errsKept {
		t.errs = append(t.errs, time.Now().Format("15:04:05.000")+" "+err.Error())
	}
}

func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("%d sent, %d failed, slowest %v, %d idle connections closed by the load balancer %v",
		t.sent, t.failed, t.slow.Round(time.Millisecond), t.idle, t.errs)
}

// ok is the number of requests without a failure, and an error if there were failures.
func (t *tally) ok() (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed > 0 {
		return t.sent - t.failed, fmt.Errorf("%d of %d failed: %v", t.failed, t.sent, t.errs)
	}
	return t.sent, nil
}

// keeper asks at a constant rate over one connection that it keeps. Unlike Go's own client, it does not send a request once
// more that got no answer: that one has failed. It opens another connection when the last answer said that this one ends.
type keeper struct {
	addr, host string
	tls        bool
	every      time.Duration
	tally      *tally

	conn net.Conn
	r    *bufio.Reader
	last time.Time // of the last answer on this connection
}

// idleAfter is well below the shortest time after which HAProxy closes an idle connection: "timeout http-keep-alive", 1 s.
const idleAfter = 700 * time.Millisecond

// run asks until done is closed. Requests are due at fixed times, whatever became of the one before.
func (k *keeper) run(done <-chan struct{}) {
	defer k.hangUp()
	tick := time.NewTicker(k.every)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case due := <-tick.C:
			switch err := k.ask(); {
			case err == nil:
				k.tally.good(time.Since(due))
			default:
				k.tally.bad(err)
				k.hangUp()
			}
		}
	}
}

func (k *keeper) hangUp() {
	if k.conn != nil {
		_ = k.conn.Close()
		k.conn = nil
	}
}

func (k *keeper) ask() error {
	for {
		kept := k.conn != nil
		if !kept {
			if err := k.dial(); err != nil {
				return err
			}
		}
		idle := time.Since(k.last)
		err := k.exchange()
		if kept && idle > idleAfter && errors.Is(err, io.EOF) { // we were late ourselves: the machine is busy
			k.hangUp()
			k.tally.mu.Lock()
			k.tally.idle++
			k.tally.mu.Unlock()
			continue
		}
		if err != nil {
			return fmt.Errorf("%s, connection kept %v, idle for %v: %w", k.addr, kept, idle.Round(time.Millisecond), err)
		}
		return nil
	}
}

func (k *keeper) dial() error {
	d := net.Dialer{Timeout: 10 * time.Second}
	var err error
	if k.tls {
		k.conn, err = tls.DialWithDialer(&d, "tcp", k.addr, &tls.Config{InsecureSkipVerify: true, ServerName: k.host})
	} else {
		k.conn, err = d.Dial("tcp", k.addr)
	}
	if err != nil {
		k.conn = nil
		return fmt.Errorf("dial %s: %w", k.addr, err)
	}
	k.r, k.last = bufio.NewReader(k.conn), time.Now()
	return nil
}

func (k *keeper) exchange() error {
	if err := k.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(k.conn, "GET /keep HTTP/1.1\r\nHost: %s\r\n\r\n", k.host); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err := k.r.Peek(1); err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	resp, err := http.ReadResponse(k.r, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	switch {
	case err != nil:
		return fmt.Errorf("body: %w", err)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	if k.last = time.Now(); resp.Close {
		k.hangUp()
	}
	return nil
}

// echo sends a line every tenth of a second over a connection that is upgraded once and never replaced.
func echo(c net.Conn, host string, t *tally, done <-chan struct{}) error {
	r := bufio.NewReader(c)
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", host)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("upgrade: %+v, %w", resp, err)
	}
	go func() {
		defer c.Close()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case due := <-tick.C:
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				text := fmt.Sprintf("line %d\n", n)
				_, err := io.WriteString(c, text)
				got := ""
				if err == nil {
					got, err = r.ReadString('\n')
				}
				if err == nil && got != text {
					err = fmt.Errorf("%q comes back as %q", text, got)
				}
				if err != nil {
					t.bad(err)
					return
				}
				t.good(time.Since(due))
			}
		}
	}()
	return nil
}
