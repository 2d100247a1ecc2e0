package health

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
)

// Exec runs a shell command inside a task.
type Exec func(ctx context.Context, taskID, command string) (driver.ExecResult, error)

// prober makes the real probes.
type prober struct {
	exec   Exec
	client *http.Client
}

func newProber(exec Exec) *prober {
	return &prober{exec: exec, client: &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives:      true, // each probe proves that new connections work
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
			TLSClientConfig:        &tls.Config{InsecureSkipVerify: true}, // Marathon does not verify either
			DialContext:            (&net.Dialer{}).DialContext,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// probe runs one check and returns nil if it passes. The error's text is shown to the app's owner.
func (p *prober) probe(ctx context.Context, c *Check) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	c.Response = nil
	err := p.run(ctx, c)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s", c.timeout())
	}
	if c.Readiness != nil && c.Response == nil && err != nil {
		c.Response = &api.ReadinessResponse{Status: http.StatusGatewayTimeout, ContentType: "text/plain", Body: err.Error()}
	}
	return err
}

func (p *prober) run(ctx context.Context, c *Check) error {
	if c.Readiness != nil {
		ok := func(status int) bool { return slices.Contains(c.Readiness.HTTPStatusCodesForReady, status) }
		return p.http(ctx, c, strings.ToLower(c.Readiness.Protocol), c.Readiness.Path, ok)
	}
	ok := func(status int) bool { return status >= 200 && status < 400 }
	switch c.Def.Protocol {
	case api.ProtocolCommand:
		return p.command(ctx, c)
	case api.ProtocolTCP, api.ProtocolMesosTCP:
		return p.tcp(ctx, c)
	case api.ProtocolHTTPS, api.ProtocolMesosHTTPS:
		return p.http(ctx, c, "https", c.Def.Path, ok)
	case api.ProtocolHTTP, api.ProtocolMesosHTTP, "":
		return p.http(ctx, c, "http", c.Def.Path, ok)
	}
	return fmt.Errorf("protocol %s: not known", c.Def.Protocol)
}

func (p *prober) http(ctx context.Context, c *Check, scheme, path string, ok func(status int) bool) error {
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+c.Address+path, nil)
	if err != nil {
		return fmt.Errorf("path %q: %w", path, err)
	}
	req.Header.Set("User-Agent", "berth-health-check")
	resp, err := p.client.Do(req)
	if err != nil {
		return unwrapURL(err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	err = errors.Join(err, resp.Body.Close())
	if c.Readiness != nil && err == nil {
		c.Response = &api.ReadinessResponse{
			Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"),
			Body: strings.ToValidUTF8(string(body[:min(len(body), maxKept)]), "\uFFFD"),
		}
	}
	if !ok(resp.StatusCode) {
		return fmt.Errorf("%s://%s%s answered %s", scheme, c.Address, path, resp.Status)
	}
	return err
}

// maxAnswer is how much of a body is read; maxKept how much of an answer to a readiness check is kept, in bytes.
const (
	maxAnswer = 64 << 10
	maxKept   = 4 << 10
)

// unwrapURL leaves out the method and URL that http.Client puts before each error.
func unwrapURL(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

func (p *prober) tcp(ctx context.Context, c *Check) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.Address)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (p *prober) command(ctx context.Context, c *Check) error {
	if c.Def.Command == nil || p.exec == nil {
		return errors.New("the check has no command that could be run")
	}
	res, err := p.exec(ctx, c.Task, c.Def.Command.Value)
	if err != nil {
		return err
	}
	if res.ExitCode != 0 {
		return fmt.Errorf("the command ended with exit code %d: %s", res.ExitCode, tail(res.Output))
	}
	return nil
}

// tail keeps the end of a command's output.
func tail(b []byte) string {
	const limit = 300
	s := strings.TrimSpace(strings.ToValidUTF8(string(b), "?"))
	if len(s) > limit {
		s = "…" + strings.ToValidUTF8(s[len(s)-limit:], "")
	}
	return s
}

func (c *Check) timeout() time.Duration {
	if c.Readiness != nil {
		return max(time.Duration(c.Readiness.TimeoutSeconds)*time.Second, time.Second)
	}
	return bounded(Seconds(c.Def.TimeoutSeconds), 100*time.Millisecond, time.Hour)
}

func bounded(d, low, high time.Duration) time.Duration { return min(max(d, low), high) }
