package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/execstream"
)

// Limits of commands run in tasks.
const (
	maxCommand = 1000          // words
	execIdle   = 4 * time.Hour // a session in which nothing is said for so long is ended
)

// exec is POST /v2/tasks/{task}/exec?cmd=WORD&cmd=WORD…&stdin=true&tty=true&width=n&height=n (Berth only): a command runs in
// the task, and its streams travel as frames of package execstream on this connection.
func (s *Server) exec(w http.ResponseWriter, c *call) error {
	opt, err := c.sessionOptions()
	if err != nil {
		return err
	}
	if !strings.EqualFold(c.Header.Get("Upgrade"), execstream.Protocol) {
		return &refusal{
			status:  http.StatusUpgradeRequired,
			message: "expected the header Upgrade: " + execstream.Protocol,
			header:  http.Header{"Upgrade": {execstream.Protocol}},
		}
	}
	select {
	case s.sessions <- struct{}{}:
		defer func() { <-s.sessions }()
	default:
		return overloaded("too many commands are running")
	}
	ctx, cancel := s.untilClosed(context.WithoutCancel(c.Context())) // it ends with the connection, which is ours from here on
	defer cancel()
	session, err := s.backend.Exec(ctx, c.arg, opt)
	if errors.Is(err, driver.ErrNotFound) {
		return api.NotFound("Task", c.arg)
	}
	if err != nil {
		return &api.Error{Code: api.CodeBadRequest, Message: err.Error()}
	}
	defer session.Close() //nolint:errcheck // whatever is left of the command
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return fmt.Errorf("take the connection over: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	s.switched(w, c)
	e := &execution{s: s, session: session, conn: conn, in: buf.Reader, ctx: ctx}
	c.detail = e.run()
	return nil
}

// switched notes that the connection is not HTTP any more, and that a command begins: its end may be far away.
func (s *Server) switched(w http.ResponseWriter, c *call) {
	rec, ok := w.(*recorder)
	if !ok {
		return
	}
	rec.status = http.StatusSwitchingProtocols
	c.detail = "begins"
	s.audit(rec, c, rec.status, 0)
}

func (c *call) sessionOptions() (driver.SessionOptions, error) {
	opt := driver.SessionOptions{Command: c.query["cmd"], Stdin: c.flag("stdin", false), TTY: c.flag("tty", false)}
	if len(opt.Command) == 0 || opt.Command[0] == "" || len(opt.Command) > maxCommand {
		return opt, badParameter(fmt.Sprintf("parameter cmd: given %d times; expected the program and its arguments, "+
			"at most %d words", len(opt.Command), maxCommand))
	}
	for _, word := range opt.Command {
		if strings.ContainsRune(word, 0) {
			return opt, badParameter(fmt.Sprintf("parameter cmd %q: a word cannot hold a NUL", word))
		}
	}
	for name, into := range map[string]*int{"width": &opt.Width, "height": &opt.Height} {
		text := c.query.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > execstream.MaxSize {
			return opt, badParameter(fmt.Sprintf("parameter %s %q: expected a number from 1 to %d", name, text, execstream.MaxSize))
		}
		*into = n
	}
	return opt, nil
}

// execution is a command whose streams are connected to a client.
type execution struct {
	s       *Server
	session driver.Session
	conn    net.Conn
	in      *bufio.Reader
	ctx     context.Context

	out, err int64 // bytes sent of each
}

// run connects the two until the command or the client has ended, and says what became of it.
func (e *execution) run() string {
	_ = e.conn.SetDeadline(time.Now().Add(execIdle))
	_, err := io.WriteString(e.conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+
		execstream.Protocol+"\r\n\r\n")
	if err != nil {
		return "the client left"
	}
	frames := execstream.NewWriter(&alive{e.conn})
	gone := make(chan struct{})
	var input, output sync.WaitGroup
	input.Go(func() {
		defer close(gone)
		e.receive()
	})
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	left := make(chan struct{})
	go func() { // a client that leaves takes the command with it
		defer close(left)
		select {
		case <-gone:
			_ = e.session.Close()
		case <-ctx.Done():
			if e.ctx.Err() != nil { // the server ends
				_ = e.session.Close()
			}
		}
	}()
	output.Go(func() { e.out, _ = frames.Copy(execstream.Stdout, e.session.Stdout()) })
	output.Go(func() { e.err, _ = frames.Copy(execstream.Stderr, e.session.Stderr()) })
	output.Wait()
	select {
	case <-gone:
		cancel()
		<-left
		return fmt.Sprintf("the client left, %d bytes sent", e.out+e.err)
	default:
	}
	res := execstream.Result{}
	var waited error
	if res.ExitCode, waited = e.session.Wait(ctx); waited != nil {
		res.Error = waited.Error()
	}
	_ = frames.SendJSON(execstream.Exit, res)
	cancel()
	<-left
	_ = e.conn.Close() // ends the input
	input.Wait()
	if waited != nil {
		return fmt.Sprintf("ended: %v, %d bytes sent", waited, e.out+e.err)
	}
	return fmt.Sprintf("exit code %d, %d bytes sent", res.ExitCode, e.out+e.err)
}

// receive passes on what the client sends, until it leaves or breaks the rules.
func (e *execution) receive() {
	for {
		kind, p, err := execstream.Read(e.in)
		if err != nil {
			return
		}
		_ = e.conn.SetDeadline(time.Now().Add(execIdle))
		switch kind {
		case execstream.Stdin:
			if len(p) == 0 {
				_ = e.session.CloseWrite()
			} else if _, err := e.session.Write(p); err != nil {
				e.s.log.Debug("a command reads no more", "error", err)
			}
		case execstream.Resize:
			var size execstream.Size
			if json.Unmarshal(p, &size) != nil || min(size.Width, size.Height) < 1 || max(size.Width, size.Height) > execstream.MaxSize {
				return
			}
			_ = e.session.Resize(e.ctx, size.Width, size.Height) // without a terminal there is nothing to do
		default:
			return
		}
	}
}

// alive puts the end of a silent session off with every write.
type alive struct{ net.Conn }

func (a *alive) Write(p []byte) (int, error) {
	_ = a.SetDeadline(time.Now().Add(execIdle))
	return a.Conn.Write(p)
}
