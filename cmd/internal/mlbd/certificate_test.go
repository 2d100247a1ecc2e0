package mlbd

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"berth/mlb/haproxy"
)

// serial is the serial number of the certificate that the TLS port shows.
func (l *lab) serial() string {
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	c, err := d.DialContext(l.t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", l.c.HTTPSPort))
	if err != nil {
		return ""
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func TestNewCertificateIsShownWithoutAReload(t *testing.T) {
	l := newLab(t)
	dir := filepath.Dir(l.c.HAProxyConfig)
	cert := filepath.Join(dir, "cert.pem")
	made := func(name string) string {
		path := filepath.Join(dir, name)
		if err := haproxy.SelfSigned(path, time.Now()); err != nil {
			t.Fatal(err)
		}
		return path
	}
	made("cert.pem")
	l.c.SSLCerts = []string{cert}
	l.cluster.SetApp(app("/web", freePorts(t, 1)[0], nil, l.task("one")))
	l.up()
	pids, old := l.pids(), l.serial()
	if err := os.Rename(made("next.pem"), cert); err != nil {
		t.Fatal(err)
	}
	l.within(5*time.Second, "the new certificate is shown", func() bool { s := l.serial(); return s != "" && s != old })
	now := l.serial()
	if err := os.WriteFile(cert, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1200 * time.Millisecond) // longer than it takes to notice
	if l.serial() != now || l.pids() != pids {
		t.Errorf("serial %s, processes %q: want %s and %q", l.serial(), l.pids(), now, pids)
	}
}

func TestCertificateThatComesToADirectoryIsShownAfterAReload(t *testing.T) {
	l := newLab(t)
	dir := filepath.Join(filepath.Dir(l.c.HAProxyConfig), "certs")
	if err := haproxy.SelfSigned(filepath.Join(dir, "b.pem"), time.Now()); err != nil {
		t.Fatal(err)
	}
	l.c.SSLCerts = []string{dir}
	l.cluster.SetApp(app("/web", freePorts(t, 1)[0], nil, l.task("one")))
	l.up()
	old := l.serial()
	if err := haproxy.SelfSigned(filepath.Join(dir, "a.pem"), time.Now()); err != nil { // the first by name is the default
		t.Fatal(err)
	}
	l.within(5*time.Second, "the new certificate is shown", func() bool { s := l.serial(); return s != "" && s != old })
}
