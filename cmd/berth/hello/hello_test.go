package hello

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"berth/cmd/internal/cli"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a run of the command on a free port.
type server struct {
	addr string
	stop context.CancelFunc // SIGTERM
	done chan error
}

// lines is a writer that hands on the first line.
type lines struct {
	buf   bytes.Buffer
	first chan string
}

func (l *lines) Write(p []byte) (int, error) {
	l.buf.Write(p)
	if line, err := l.buf.ReadString('\n'); err == nil {
		l.first <- line
	}
	return len(p), nil
}

func start(t *testing.T, c config) *server {
	t.Helper()
	c.host = "127.0.0.1"
	if c.status == 0 {
		c.status = http.StatusOK
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &server{stop: cancel, done: make(chan error, 1)}
	out := &lines{first: make(chan string, 1)}
	go func() { s.done <- c.run(ctx, out) }()
	select {
	case line := <-out.first:
		s.addr = strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:])
	case err := <-s.done:
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	return s
}

func (s *server) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.done:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("the server does not end")
		return nil
	}
}

// get uses a connection of its own.
func get(t *testing.T, url, accept string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr, Timeout: 20 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestTheAnswerSuitsTheClient(t *testing.T) {
	t.Setenv("MESOS_TASK_ID", "web.<1>")
	t.Setenv("MARATHON_APP_ID", "/web")
	s := start(t, config{grace: time.Second})
	for _, c := range []struct{ accept, contentType, task, request string }{
		{"*/*", "text/plain; charset=utf-8", "task     web.<1>\n", "request  GET /x?y=1 HTTP/1.1\n"},
		{"text/html,*/*;q=0.8", "text/html; charset=utf-8", "<td>web.&lt;1&gt;</td>", "<td>GET /x?y=1 HTTP/1.1</td>"},
		{"application/json", "application/json", `"app":"/web"`, `"request":"GET /x?y=1 HTTP/1.1"`},
	} {
		resp, body := get(t, "http://"+s.addr+"/x?y=1", c.accept)
		if got := resp.Header.Get("Content-Type"); got != c.contentType {
			t.Errorf("Accept %s: type %s", c.accept, got)
		}
		for _, want := range []string{c.task, c.request, "Accept-Encoding"} {
			if !strings.Contains(body, want) {
				t.Errorf("Accept %s: no %q in\n%s", c.accept, want, body)
			}
		}
	}
	s.stop()
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
}

func TestOutputFlagOverridesAccept(t *testing.T) {
	s := start(t, config{output: "json", status: http.StatusTeapot})
	resp, body := get(t, "http://"+s.addr, "text/html")
	var p page
	if err := json.Unmarshal([]byte(body), &p); err != nil || p.Host == "" || !strings.HasSuffix(s.addr, ":"+p.Port) {
		t.Errorf("page %+v: %v", p, err)
	}
	if resp.StatusCode != http.StatusTeapot {
		t.Errorf("status %d", resp.StatusCode)
	}
	s.stop()
	_ = s.wait(t)
}

func TestHealthFails(t *testing.T) {
	for name, c := range map[string]struct {
		config config
		upset  func()
	}{
		"after SIGUSR1":           {config{}, func() { _ = syscall.Kill(os.Getpid(), syscall.SIGUSR1) }},
		"after --unhealthy-after": {config{unhealthyAfter: 300 * time.Millisecond}, func() {}},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, c.config)
			if resp, body := get(t, "http://"+s.addr+"/health", "*/*"); resp.StatusCode != http.StatusOK {
				t.Errorf("at first: %s %s", resp.Status, body)
			}
			c.upset()
			for deadline := time.Now().Add(30 * time.Second); ; {
				resp, _ := get(t, "http://"+s.addr+"/health", "*/*")
				if resp.StatusCode == http.StatusServiceUnavailable {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("still %s", resp.Status)
				}
			}
			if resp, _ := get(t, "http://"+s.addr+"/", "*/*"); resp.StatusCode != http.StatusOK {
				t.Errorf("an unhealthy server answers %s to others", resp.Status)
			}
			s.stop()
			_ = s.wait(t)
		})
	}
}

func TestARequestInFlightIsFinishedAndNewOnesAreTaken(t *testing.T) {
	s := start(t, config{delay: 500 * time.Millisecond, grace: 10 * time.Second})
	first := make(chan string, 1)
	go func() {
		_, body := get(t, "http://"+s.addr+"/first", "*/*")
		first <- body
	}()
	time.Sleep(100 * time.Millisecond) // the request is on its way; nothing tells when the server has read it
	s.stop()
	time.Sleep(50 * time.Millisecond) // likewise for the signal
	resp, body := get(t, "http://"+s.addr+"/second", "*/*")
	if !strings.Contains(body, "/second") || !resp.Close {
		t.Errorf("a request while draining: close %t, %s", resp.Close, body)
	}
	if body := <-first; !strings.Contains(body, "/first") {
		t.Errorf("the request in flight got %q", body)
	}
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", s.addr); err == nil {
		t.Error("a server that has ended accepts connections")
	}
}

func TestDrainingIdleConnectionsClose(t *testing.T) {
	s := start(t, config{grace: 10 * time.Second})
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	s.stop()
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection was not closed cleanly: %v", err)
	}
	if err := s.wait(t); err != nil || time.Since(begin) > 5*time.Second {
		t.Errorf("ended after %s: %v", time.Since(begin), err)
	}
}

func TestGraceEnds(t *testing.T) {
	s := start(t, config{delay: time.Minute, grace: 200 * time.Millisecond})
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // nothing tells when the server has read it
	s.stop()
	if err := s.wait(t); err == nil || !strings.Contains(err.Error(), "not finished within 200ms") {
		t.Errorf("ended with %v", err)
	}
}

func TestFailAfter(t *testing.T) {
	for _, tcp := range []bool{false, true} {
		s := start(t, config{failAfter: 50 * time.Millisecond, tcp: tcp, grace: time.Minute})
		if err := s.wait(t); !errors.Is(err, errPlanned) {
			t.Errorf("tcp %t: ended with %v", tcp, err)
		}
	}
}

func TestTCPEchoesAndDrains(t *testing.T) {
	s := start(t, config{tcp: true, grace: 10 * time.Second})
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	say := func(word string) {
		t.Helper()
		buf := make([]byte, len(word))
		if _, err := io.WriteString(conn, word); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != word {
			t.Fatalf("echo of %q: %q, %v", word, buf, err)
		}
	}
	say("one")
	s.stop()
	say("two")
	conn.Close()
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
}

func TestThePortComesFromFlagThenPORT0ThenPORT(t *testing.T) {
	for name, c := range map[string]struct {
		given bool
		env   map[string]string
		want  int
	}{
		"flag":    {true, map[string]string{"PORT0": "1", "PORT": "2"}, 8080},
		"PORT0":   {false, map[string]string{"PORT0": "1", "PORT": "2"}, 1},
		"PORT":    {false, map[string]string{"PORT": "2"}, 2},
		"default": {false, nil, 8080},
	} {
		t.Run(name, func(t *testing.T) {
			got := config{port: 8080, status: 200}
			if err := got.complete(c.given, func(k string) string { return c.env[k] }); err != nil || got.port != c.want {
				t.Errorf("port %d, %v; want %d", got.port, err, c.want)
			}
		})
	}
}

func TestWrongUsageIsExplained(t *testing.T) {
	for _, c := range []struct {
		args []string
		env  string
		want string
	}{
		{[]string{"--port", "70000"}, "", "--port 70000: expected 0 to 65535"},
		{[]string{"--status", "99"}, "", "--status 99: expected 200 to 599"},
		{[]string{"-o", "xml"}, "", `--output "xml": expected text, html or json`},
		{[]string{"--delay", "-1s"}, "", "a negative time"},
		{nil, "http", `environment variable PORT0="http": expected a port`},
	} {
		t.Setenv("PORT0", c.env)
		var stderr bytes.Buffer
		if code := cli.Run(Command(), c.args, io.Discard, &stderr); code != cli.ExitUsage || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%q: exit code %d, %s", c.args, code, stderr.String())
		}
	}
}
