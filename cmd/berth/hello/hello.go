// Package hello is a tiny server that shows where a request arrived: host, task, app, port and the request itself. It is
// what the demonstration deploys, and with its flags for delay, failure and health a subject for tests. It finishes what
// it has begun before it ends.
package hello

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
)

// config is one run of the server.
type config struct {
	host           string
	port           int
	output         string        // "", text, html or json: "" asks the Accept header
	status         int           // of every answer but /health
	delay          time.Duration // before every answer but /health
	failAfter      time.Duration // end with an error after this long; 0 never
	unhealthyAfter time.Duration // /health fails after this long; 0 never
	grace          time.Duration // how long to drain
	tcp            bool          // echo bytes instead of HTTP
}

// quiet is how long a draining server must have been idle before it closes: a balancer that has not heard yet may still
// send a request.
const quiet = 200 * time.Millisecond

// Command returns the command "hello".
func Command() *cobra.Command {
	var c config
	cmd := &cobra.Command{
		Use:   "hello",
		Short: "Serve a page that shows host, task, port and request",
		Long: `Serve a page that shows host, task, app, port and request: HTML for browsers, plain text for curl, JSON
on request. /health answers 200, or 503 after SIGUSR1 or --unhealthy-after. On SIGTERM it asks its
clients to reconnect elsewhere, finishes what is in flight and ends, at the latest after --grace.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.complete(cmd.Flags().Changed("port"), os.Getenv); err != nil {
				return err
			}
			return c.run(cmd.Context(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.host, "host", "", "address to listen on (default: all)")
	f.IntVarP(&c.port, "port", "p", 8080, "port to listen on; unless given, $PORT0 or $PORT if set")
	f.StringVarP(&c.output, "output", "o", "", "answer as text, html or json, whatever the client accepts")
	f.IntVar(&c.status, "status", http.StatusOK, "HTTP status of the answers")
	f.DurationVar(&c.delay, "delay", 0, "wait before each answer")
	f.DurationVar(&c.failAfter, "fail-after", 0, "end with exit code 1 after this time")
	f.DurationVar(&c.unhealthyAfter, "unhealthy-after", 0, "let /health fail after this time")
	f.DurationVar(&c.grace, "grace", 10*time.Second, "time to finish requests after SIGTERM")
	f.BoolVar(&c.tcp, "tcp", false, "echo bytes over TCP instead of speaking HTTP")
	return cmd
}

// complete takes the port from the environment that Marathon gives a task, unless the flag names one, and checks all.
func (c *config) complete(portGiven bool, getenv func(string) string) error {
	for _, name := range []string{"PORT0", "PORT"} {
		v := getenv(name)
		if portGiven || v == "" {
			continue
		}
		p, err := strconv.Atoi(v)
		if err != nil || p < 1 || p > 65535 {
			return cli.Usagef("environment variable %s=%q: expected a port, 1 to 65535", name, v)
		}
		c.port, portGiven = p, true
	}
	switch {
	case c.port < 0 || c.port > 65535:
		return cli.Usagef("--port %d: expected 0 to 65535", c.port)
	case c.status < 200 || c.status > 599:
		return cli.Usagef("--status %d: expected 200 to 599", c.status)
	case c.output != "" && c.output != "text" && c.output != "html" && c.output != "json":
		return cli.Usagef("--output %q: expected text, html or json", c.output)
	case c.delay < 0 || c.failAfter < 0 || c.unhealthyAfter < 0 || c.grace < 0:
		return cli.Usagef("a negative time: expected 0 or more")
	}
	return nil
}

// run serves until ctx ends, and then drains.
func (c *config) run(ctx context.Context, stderr io.Writer) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(c.host, strconv.Itoa(c.port)))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Fprintf(stderr, "hello: listening on %s\n", l.Addr())
	if c.failAfter > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.failAfter, errPlanned)
		defer cancel()
	}
	if c.tcp {
		err = echo(ctx, l, c.grace)
	} else {
		err = c.serve(ctx, l)
	}
	if errors.Is(context.Cause(ctx), errPlanned) {
		return errPlanned
	}
	return err
}

var errPlanned = errors.New("failing as --fail-after asks")

// serve speaks HTTP on l.
func (c *config) serve(ctx context.Context, l net.Listener) error {
	usr1 := make(chan os.Signal, 1)
	signal.Notify(usr1, syscall.SIGUSR1)
	defer signal.Stop(usr1)
	h := newHandler(c, whoami(l.Addr(), os.Getenv))
	a := newActivity()
	srv := &http.Server{
		Handler: h, ConnState: a.connState,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	for {
		select {
		case <-usr1:
			h.unhealthy.Store(true)
		case err := <-served:
			return fmt.Errorf("serve: %w", err)
		case <-ctx.Done():
			err := c.drain(srv, a, errors.Is(context.Cause(ctx), errPlanned))
			<-served
			return err
		}
	}
}

// drain closes idle connections and lets each answer say that its connection ends, but accepts new ones until nothing has
// been going on for a moment; then it closes the listener and waits for the rest. at once, it ends everything.
func (c *config) drain(srv *http.Server, a *activity, atOnce bool) error {
	if atOnce {
		return srv.Close()
	}
	srv.SetKeepAlivesEnabled(false)
	ctx, cancel := context.WithTimeout(context.Background(), c.grace)
	defer cancel()
	a.waitQuiet(ctx, quiet)
	if err := srv.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were not finished within %s: %w", c.grace, err), srv.Close())
	}
	return nil
}
