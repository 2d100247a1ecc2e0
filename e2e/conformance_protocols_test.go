//go:build e2e

package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"berth/internal/porttest"
	"berth/orchestrator/api"
)

// talk is an upstream that speaks what is not one request and one answer: /ws upgrades and echoes lines, /stream sends a
// line for each line of the request's body, with a trailer, as gRPC does.
func talk(t *testing.T) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ws":
			upgrade(w)
		case "/stream":
			w.Header().Set("Trailer", "Grpc-Status")
			w.WriteHeader(http.StatusOK)
			rc := http.NewResponseController(w)
			_ = rc.EnableFullDuplex()
			_ = rc.Flush()
			for in := bufio.NewScanner(r.Body); in.Scan(); {
				fmt.Fprintln(w, in.Text())
				_ = rc.Flush()
			}
			w.Header().Set("Grpc-Status", "0")
		default:
			upstreamHandler("talk").ServeHTTP(w, r)
		}
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func upgrade(w http.ResponseWriter) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
	_ = rw.Flush()
	for {
		line, err := rw.ReadString('\n')
		if err != nil {
			return
		}
		_, _ = rw.WriteString(line)
		_ = rw.Flush()
	}
}

// dialWebsocket upgrades a connection; the result echoes lines.
func dialWebsocket(t *testing.T, c net.Conn, host string) func(string) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+
		"Sec-WebSocket-Version: 13\r\n\r\n", host)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %+v, %v", resp, err)
	}
	return func(text string) {
		t.Helper()
		fmt.Fprintln(c, text)
		if got, err := r.ReadString('\n'); err != nil || got != text+"\n" {
			t.Fatalf("echo of %q: %q, %v", text, got, err)
		}
	}
}

// HTTP/2 on the TLS port, streams in both directions with a trailer, websockets on all ports, plain TCP; and the long-lived
// ones live on while other apps come and go.
func TestProtocols(t *testing.T) {
	ports := porttest.Range(t, 5)
	up := talk(t)
	web := served("/talk", ports, map[string]string{"HAPROXY_0_VHOST": "talk.test"}, up)
	raw := served("/raw", ports+1, map[string]string{"HAPROXY_0_MODE": "tcp"}, up)
	h2 := served("/h2", ports+2, map[string]string{"HAPROXY_0_VHOST": "h2.test", "HAPROXY_0_BACKEND_SERVER_OPTIONS": "  server {serverName} " +
		"{host_ipv4}:{port} id {serverId}{cookieOptions}{healthCheckOptions}{otherOptions} proto h2"}, up)
	b := newBalancer(t, []*api.AppInfo{web, raw, h2})

	if r, err := b.send("https", "talk.test", b.https, "/"); err != nil || r.proto != "HTTP/2.0" || r.code != 200 {
		t.Errorf("over TLS: %s %d, %v", r.proto, r.code, err)
	}
	if r, err := b.send("https", "h2.test", b.https, "/"); err != nil || !strings.Contains(r.body, "HTTP/2.0") {
		t.Errorf("to an HTTP/2 task: %q, %v", r.body, err)
	}
	b.stream("h2.test")

	var long []func(string)
	for _, way := range []struct {
		host string
		port int
		tls  bool
	}{{"talk.test", b.http, false}, {"talk.test", b.https, true}, {"x", ports, false}, {"x", ports + 1, false}} {
		var c net.Conn
		var err error
		if way.tls {
			c, err = tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", way.port), &tls.Config{InsecureSkipVerify: true})
		} else {
			c, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", way.port))
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		long = append(long, dialWebsocket(t, c, way.host))
	}
	for round := range 3 {
		other := served("/other", ports+3, map[string]string{"HAPROXY_0_VHOST": fmt.Sprintf("other%d.test", round),
			"HAPROXY_0_BACKEND_HTTP_OPTIONS": fmt.Sprintf("  http-response set-header X-Round %d\n", round)}, up)
		b.marathon.SetApps(other)
		eventually(t, 30*time.Second, "the other app is there", func() error {
			r, err := b.send("http", fmt.Sprintf("other%d.test", round), b.http, "/")
			if err != nil {
				return err
			}
			return expect(r.header.Get("X-Round") == itoa(round), "%d", r.code)
		})
		for _, echo := range long {
			echo(fmt.Sprintf("round %d", round))
		}
	}
}

// stream sends a request that goes on while its answer does.
func (b *balancer) stream(host string) {
	b.t.Helper()
	tr := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	body, in := io.Pipe()
	req, err := http.NewRequest("POST", fmt.Sprintf("https://127.0.0.1:%d/stream", b.https), body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Host = host
	resp, err := (&http.Client{Timeout: 20 * time.Second, Transport: tr}).Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	r := bufio.NewReader(resp.Body)
	for i := range 3 {
		fmt.Fprintln(in, "message", i)
		if got, err := r.ReadString('\n'); err != nil || got != fmt.Sprintf("message %d\n", i) {
			b.t.Fatalf("message %d comes back as %q, %v", i, got, err)
		}
	}
	in.Close()
	if _, err := io.Copy(io.Discard, r); err != nil {
		b.t.Errorf("end of the stream: %v", err)
	}
	if got := resp.Trailer.Get("Grpc-Status"); got != "0" {
		b.t.Errorf("trailer Grpc-Status %q", got)
	}
}
