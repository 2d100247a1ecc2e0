package mlbd

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/internal/certtest"
	"berth/internal/porttest"
)

// serial is the number of the certificate that a client is shown.
func serial(port int, name string) int64 {
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, ServerName: name}}
	c, err := d.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return -1
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestCertificatesAreSwappedWithoutAReload(t *testing.T) {
	l := newLab(t)
	dir := filepath.Join(filepath.Dir(l.c.HAProxyConfig), "tls")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file, own := filepath.Join(filepath.Dir(dir), "main.pem"), filepath.Join(filepath.Dir(dir), "own.pem")
	certtest.Put(t, file, "main.test", 1)
	certtest.Put(t, own, "own.test", 2)
	certtest.Put(t, filepath.Join(dir, "a.pem"), "a.test", 3)
	l.c.SSLCerts = []string{file, dir}
	p := porttest.Several(t, 2)
	l.cluster.SetApp(app("/own", p[0], map[string]string{"HAPROXY_0_VHOST": "own.test", "HAPROXY_0_SSL_CERT": own}, l.task("own")))
	l.up()
	shows := func(port int, name string, want int64) {
		t.Helper()
		l.within(30*time.Second, fmt.Sprintf("%s is shown with certificate %d", name, want), func() bool {
			return serial(port, name) == want
		})
	}
	https := l.c.HTTPSPort
	shows(https, "main.test", 1)
	shows(https, "nobody.test", 1)
	shows(https, "own.test", 2)
	shows(p[0], "own.test", 2)
	shows(https, "a.test", 3)
	pids := l.admin("/_haproxy_getpids")

	certtest.Put(t, file, "main.test", 11)
	certtest.Put(t, own, "own.test", 12)
	certtest.Put(t, filepath.Join(dir, "a.pem"), "a.test", 13)
	certtest.Put(t, filepath.Join(dir, "b.pem"), "b.test", 14)
	shows(https, "main.test", 11)
	shows(https, "own.test", 12)
	shows(p[0], "own.test", 12)
	shows(https, "a.test", 13)
	shows(https, "b.test", 14)
	if err := os.Remove(filepath.Join(dir, "b.pem")); err != nil {
		t.Fatal(err)
	}
	shows(https, "b.test", 11)
	if now := l.admin("/_haproxy_getpids"); now != pids {
		t.Errorf("processes %q, then %q: want no reload", pids, now)
	}

	// Broken files: what HAProxy has of them goes on, even over a reload.
	for _, f := range []string{file, own, filepath.Join(dir, "a.pem")} {
		if err := os.WriteFile(f, []byte("nonsense\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l.within(30*time.Second, "the broken files are told", func() bool {
		return strings.Count(l.admin("/_mlb_problems"), "keeps what it has") == 3
	})
	l.cluster.SetApp(app("/late", p[1], nil, l.task("late")))
	l.answers(p[1], "", "late")
	shows(https, "main.test", 11)
	shows(https, "own.test", 12)
	shows(p[0], "own.test", 12)
	shows(https, "a.test", 13)
	certtest.Put(t, file, "main.test", 21)
	certtest.Put(t, own, "own.test", 22)
	certtest.Put(t, filepath.Join(dir, "a.pem"), "a.test", 23)
	shows(https, "main.test", 21)
	shows(p[0], "own.test", 22)
	shows(https, "a.test", 23)
	l.within(30*time.Second, "nothing is left to tell", func() bool { return !strings.Contains(l.admin("/_mlb_problems"), "keeps") })
}

// asks opens the TLS port under one name and asks for a host, with a client certificate if there is one.
func asks(port int, name, host string, client ...tls.Certificate) (int, error) {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: name, Certificates: client}}}
	req, err := http.NewRequest("GET", fmt.Sprintf("https://127.0.0.1:%d/", port), nil)
	if err != nil {
		return 0, err
	}
	req.Host = host
	r, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	return r.StatusCode, nil
}

func TestGroupHTTPSByVhost(t *testing.T) {
	l := newLab(t)
	dir := filepath.Dir(l.c.HAProxyConfig)
	in := func(name string) string { return filepath.Join(dir, name) }
	certtest.Put(t, in("first.pem"), "first.test", 1)
	certtest.Put(t, in("locked.pem"), "locked.test", 2)
	certtest.Put(t, in("own.pem"), "elsewhere.test", 3)
	certtest.Put(t, in("client.pem"), "client", 9) // its own authority
	l.c.SSLCerts, l.c.GroupHTTPS = []string{in("first.pem"), in("locked.pem")}, true
	p := porttest.Several(t, 3)
	l.cluster.SetApps(
		app("/open", p[0], map[string]string{"HAPROXY_0_VHOST": "open.test", "HAPROXY_0_SSL_CERT": in("own.pem")}, l.task("open")),
		app("/locked", p[1], map[string]string{"HAPROXY_0_VHOST": "locked.test", "HAPROXY_0_SSL_CERT": in("locked.pem"),
			"HAPROXY_0_BIND_OPTIONS": "maxconn 500 ca-file " + in("client.pem") + " verify required"}, l.task("locked")),
		app("/byname", p[2], map[string]string{"HAPROXY_0_VHOST": "*.locked.test",
			"HAPROXY_0_BIND_OPTIONS": "ssl-min-ver TLSv1.3"}, l.task("byname")),
	)
	l.up()
	https := l.c.HTTPSPort
	for name, want := range map[string]int64{"first.test": 1, "nobody.test": 1, "open.test": 3, "x.locked.test": 1} {
		if got := serial(https, name); got != want {
			t.Errorf("%s is shown certificate %d, want %d", name, got, want)
		}
	}
	pair, err := tls.LoadX509KeyPair(in("client.pem"), in("client.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if code, err := asks(https, "open.test", "open.test"); code != 200 {
		t.Errorf("open: %d, %v", code, err)
	}
	if code, err := asks(https, "locked.test", "locked.test"); err == nil {
		t.Errorf("without a client certificate: %d", code)
	}
	if code, err := asks(https, "locked.test", "locked.test", pair); code != 200 {
		t.Errorf("with a client certificate: %d, %v", code, err)
	}
	if code, err := asks(https, "open.test", "locked.test"); code != 421 {
		t.Errorf("let in as open.test, then asking for locked.test: %d, %v", code, err)
	}
	if code, err := asks(https, "", "locked.test"); code != 421 {
		t.Errorf("let in without a name, then asking for locked.test: %d, %v", code, err)
	}
	l.reports("maxconn 500")
	// Another host with TLS of its own: one reload, and all goes on.
	l.cluster.SetApp(app("/open", p[0], map[string]string{"HAPROXY_0_VHOST": "open.test,more.test", "HAPROXY_0_SSL_CERT": in("own.pem")},
		l.task("open")))
	l.within(30*time.Second, "more.test has the certificate", func() bool { return serial(https, "more.test") == 3 })
	if code, err := asks(https, "locked.test", "locked.test"); err == nil {
		t.Errorf("without a client certificate: %d", code)
	}
	// Its content changes without one.
	l.within(30*time.Second, "the old worker has ended", func() bool { return len(strings.Fields(l.admin("/_haproxy_getpids"))) == 2 })
	pids := l.admin("/_haproxy_getpids")
	certtest.Put(t, in("own.pem"), "elsewhere.test", 4)
	l.within(30*time.Second, "the new certificate is shown", func() bool { return serial(https, "more.test") == 4 })
	if now := l.admin("/_haproxy_getpids"); now != pids {
		t.Errorf("processes %q, then %q: want no reload", pids, now)
	}
}
