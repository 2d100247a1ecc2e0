package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/client"

	"berth/orchestrator/driver/tail"
)

// TLSFiles are PEM files for an engine at a tcp address (dockerd --tlsverify): the authority that signed the engine's
// certificate, and our own certificate with its key. All three or none.
type TLSFiles struct{ CA, Cert, Key string }

// ParseHost checks an engine's address: unix:///path, tcp://host:port or ssh://[user@]host[:port].
func ParseHost(host string) (*url.URL, error) {
	u, err := url.Parse(host)
	if err != nil {
		return nil, fmt.Errorf("engine %q: expected unix:///path, tcp://host:port or ssh://[user@]host[:port]", host)
	}
	bad := u.RawQuery != "" || u.Fragment != ""
	switch u.Scheme {
	case "unix":
		bad = bad || u.Host != "" || len(u.Path) < 2
	case "tcp":
		bad = bad || u.Hostname() == "" || u.Port() == "" || u.User != nil || strings.Trim(u.Path, "/") != ""
	case "ssh":
		_, password := u.User.Password()
		// A leading hyphen would be an option of ssh.
		bad = bad || u.Hostname() == "" || password || strings.HasPrefix(u.Hostname(), "-") ||
			strings.HasPrefix(u.User.Username(), "-") || strings.Trim(u.Path, "/") != ""
	default:
		bad = true
	}
	if bad {
		return nil, fmt.Errorf("engine %q: expected unix:///path, tcp://host:port or ssh://[user@]host[:port]", host)
	}
	return u, nil
}

// newClient makes the client for an engine; host "" means DOCKER_HOST, or the local socket. The second value is the
// engine's address for messages.
func newClient(host string, files TLSFiles) (*client.Client, string, error) {
	opts := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	switch {
	case strings.HasPrefix(host, "ssh://"):
		u, err := ParseHost(host)
		if err != nil {
			return nil, "", err
		}
		// The host part of the URL is for the Host header only: the dialer knows where to go.
		opts = []client.Opt{
			client.WithHost("http://docker"), client.WithDialContext(sshDialer(u)), client.WithAPIVersionNegotiation(),
		}
	case host != "":
		opts = append(opts, client.WithHost(host))
	}
	if files != (TLSFiles{}) {
		if files.CA == "" || files.Cert == "" || files.Key == "" {
			return nil, "", errors.New("TLS of the engine: expected an authority, a certificate and a key")
		}
		opts = append(opts, client.WithTLSClientConfig(files.CA, files.Cert, files.Key))
	}
	cli, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, "", fmt.Errorf("configure the docker client: %w", err)
	}
	if host == "" {
		host = cli.DaemonHost()
	}
	return cli, host, nil
}

// sshDialer connects as Docker's own command line does: `docker system dial-stdio` on the far side passes bytes between
// its input and output and the engine there. ssh asks nobody for a password: keys and known hosts must be set up.
func sshDialer(u *url.URL) func(ctx context.Context, network, addr string) (net.Conn, error) {
	args := []string{"-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5"}
	if name := u.User.Username(); name != "" {
		args = append(args, "-l", name)
	}
	if port := u.Port(); port != "" {
		args = append(args, "-p", port)
	}
	args = append(args, "--", u.Hostname(), "docker", "system", "dial-stdio")
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return dialCommand(u, "ssh", args...)
	}
}

// commandConn is a connection through the standard input and output of a command.
type commandConn struct {
	u         *url.URL
	cmd       *exec.Cmd
	in, out   *os.File // what we write to it, what we read from it
	complaint *tail.Head
	closing   sync.Once
	waited    chan struct{}
}

func dialCommand(u *url.URL, name string, args ...string) (net.Conn, error) {
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), in.Close())
	}
	c := &commandConn{u: u, cmd: exec.Command(name, args...), in: in, out: out, complaint: tail.NewHead(1024), waited: make(chan struct{})}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = theirIn, theirOut, c.complaint
	err = c.cmd.Start()
	err = errors.Join(err, theirIn.Close(), theirOut.Close())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to %s: %w", u, err), in.Close(), out.Close())
	}
	go func() {
		defer close(c.waited)
		_ = c.cmd.Wait() // its end shows as the end of its output
	}()
	return c, nil
}

// Read reads what the far side sends.
func (c *commandConn) Read(p []byte) (int, error) {
	n, err := c.out.Read(p)
	return n, c.explain(err)
}

func (c *commandConn) Write(p []byte) (int, error) {
	n, err := c.in.Write(p)
	return n, c.explain(err)
}

// explain puts what the command had to say, if it failed, in the place of a bare end of file or broken pipe.
func (c *commandConn) explain(err error) error {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, os.ErrClosed) {
		return err
	}
	select {
	case <-c.waited:
	case <-time.After(time.Second): // it closed its output and lives on
		return err
	}
	if text := strings.TrimSpace(string(c.complaint.Bytes())); text != "" && !c.cmd.ProcessState.Success() {
		return fmt.Errorf("%s: %s", c.u, text)
	}
	return err
}

// CloseWrite tells the far side that nothing more comes.
func (c *commandConn) CloseWrite() error { return c.in.Close() }

// Close ends the command.
func (c *commandConn) Close() error {
	c.closing.Do(func() {
		_ = c.in.Close() // perhaps by CloseWrite before
		_ = c.out.Close()
		_ = c.cmd.Process.Kill() // it may have ended
		<-c.waited
	})
	return nil
}

// commandAddr is the engine's address as a net.Addr.
type commandAddr struct{ u *url.URL }

func (a commandAddr) Network() string { return a.u.Scheme }
func (a commandAddr) String() string  { return a.u.String() }

func (c *commandConn) LocalAddr() net.Addr                { return commandAddr{c.u} }
func (c *commandConn) RemoteAddr() net.Addr               { return commandAddr{c.u} }
func (c *commandConn) SetReadDeadline(t time.Time) error  { return c.out.SetReadDeadline(t) }
func (c *commandConn) SetWriteDeadline(t time.Time) error { return c.in.SetWriteDeadline(t) }

func (c *commandConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
