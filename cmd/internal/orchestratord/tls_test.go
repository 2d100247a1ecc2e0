package orchestratord

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/orchestrator/client"
	"berth/orchestrator/httpapi"
)

// authority signs certificates for tests.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t), file: filepath.Join(t.TempDir(), "ca.pem")}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// issue writes a certificate for 127.0.0.1 and its key to files of the given names.
func (a *authority) issue(name, cert, key string) {
	a.t.Helper()
	k := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}, a.cert, &k.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	text, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	writePEM(a.t, cert, "CERTIFICATE", der)
	writePEM(a.t, key, "EC PRIVATE KEY", text)
}

func writePEM(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newClient(t *testing.T, opt client.Options) *client.Client {
	t.Helper()
	c, err := client.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// served is the name on the certificate that url serves now.
func served(t *testing.T, url string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestTLSAndCertificatesThatChange(t *testing.T) {
	ca := newAuthority(t)
	c := testConfig(t)
	dir := t.TempDir()
	c.TLSCert, c.TLSKey = filepath.Join(dir, "api.pem"), filepath.Join(dir, "api.key")
	ca.issue("first", c.TLSCert, c.TLSKey)
	var log safeBuffer
	url, _ := started(t, c, &fakeEngine{}, &log)
	if !strings.HasPrefix(url, "https://") {
		t.Fatalf("url: %s", url)
	}
	if _, err := newClient(t, client.Options{URLs: []string{url}, CAFile: ca.file}).Apps(t.Context(), client.ReadOptions{}); err != nil {
		t.Error(err)
	}
	_, err := newClient(t, client.Options{URLs: []string{url}}).Apps(t.Context(), client.ReadOptions{})
	if err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("a client that does not know the authority: %v", err)
	}
	if got := served(t, url); got != "first" {
		t.Errorf("served: %s", got)
	}
	ca.issue("second", c.TLSCert, c.TLSKey)
	wait(t, "the new certificate", func() bool { return served(t, url) == "second" })

	if err := os.WriteFile(c.TLSKey, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	wait(t, "a word of the broken key", func() bool { return strings.Contains(log.String(), "cannot be used") })
	if got := served(t, url); got != "second" {
		t.Errorf("served with a broken key: %s", got)
	}
	// A file put in the place of another counts too.
	ca.issue("third", c.TLSCert+".new", c.TLSKey+".new")
	for _, f := range []string{c.TLSCert, c.TLSKey} {
		if err := os.Rename(f+".new", f); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, "the certificate after that", func() bool { return served(t, url) == "third" })
	if resp, err := http.Get("http" + strings.TrimPrefix(url, "https") + "/ping"); err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("plain HTTP: %s", resp.Status)
		}
	}
}

func TestClientCertificates(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	c := testConfig(t)
	dir := t.TempDir()
	c.TLSCert, c.TLSKey, c.TLSClientCA = filepath.Join(dir, "api.pem"), filepath.Join(dir, "api.key"), ca.file
	c.AuditLog = filepath.Join(dir, "audit.log")
	ca.issue("api", c.TLSCert, c.TLSKey)
	mine, key := filepath.Join(dir, "me.pem"), filepath.Join(dir, "me.key")
	ca.issue("ann", mine, key)
	strange, strangeKey := filepath.Join(dir, "eve.pem"), filepath.Join(dir, "eve.key")
	other.issue("eve", strange, strangeKey)
	url, _ := started(t, c, &fakeEngine{}, io.Discard)

	with := client.Options{URLs: []string{url}, CAFile: ca.file, CertFile: mine, KeyFile: key}
	if _, err := newClient(t, with).Apps(t.Context(), client.ReadOptions{}); err != nil {
		t.Error(err)
	}
	without := client.Options{URLs: []string{url}, CAFile: ca.file}
	if _, err := newClient(t, without).Apps(t.Context(), client.ReadOptions{}); err == nil {
		t.Error("a client without a certificate got in")
	}
	without.CertFile, without.KeyFile = strange, strangeKey
	if _, err := newClient(t, without).Apps(t.Context(), client.ReadOptions{}); err == nil {
		t.Error("a certificate of another authority got in")
	}
	// The certificate says who it was.
	conf, err := client.TLS(with)
	if err != nil {
		t.Fatal(err)
	}
	hc := &http.Client{Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}}
	req, _ := http.NewRequest("DELETE", url+"/v2/leader", nil)
	resp, err := hc.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	wait(t, "the audit record", func() bool {
		data, err := os.ReadFile(c.AuditLog)
		var r httpapi.AuditRecord
		return err == nil && json.Unmarshal(bytes.TrimSpace(data), &r) == nil && r.User == "ann" && r.Route == "/v2/leader" &&
			r.Status == http.StatusNotFound
	})
}

func TestCredentialsThatChange(t *testing.T) {
	c := testConfig(t)
	c.TokenFile = filepath.Join(t.TempDir(), "tokens")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(c.TokenFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("read ci tok-1\n")
	var log safeBuffer
	url, _ := started(t, c, &fakeEngine{}, &log)
	allowed := func(token string) bool {
		_, err := newClient(t, client.Options{URLs: []string{url}, Token: token}).Apps(t.Context(), client.ReadOptions{})
		return err == nil
	}
	if !allowed("tok-1") || allowed("tok-2") {
		t.Fatal("the first token does not open the API, or another does")
	}
	write("read ci tok-2\n")
	wait(t, "the new token", func() bool { return allowed("tok-2") })
	if allowed("tok-1") {
		t.Error("the old token still opens the API")
	}
	write("# nobody\n")
	wait(t, "a word of the empty file", func() bool { return strings.Contains(log.String(), "cannot be used") })
	if !allowed("tok-2") || allowed("") {
		t.Error("an empty file took the token away, or opened the API")
	}
	for _, secret := range []string{"tok-1", "tok-2"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has a secret: %s", log.String())
		}
	}
}

func TestTheAuditLogCanGoToStderr(t *testing.T) {
	c := testConfig(t)
	c.AuditLog = "-"
	var out safeBuffer
	records, end, err := openAudit(c, Options{Stderr: &out})
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	records(httpapi.AuditRecord{User: "ann", Method: "PUT"})
	if got := out.String(); !strings.Contains(got, `"user":"ann"`) || !strings.HasSuffix(got, "}\n") {
		t.Errorf("record: %q", got)
	}
	c.AuditLog = filepath.Join(t.TempDir(), "no", "audit.log")
	if _, _, err := openAudit(c, Options{}); err == nil || !strings.Contains(err.Error(), "--audit-log: ") {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func TestFilesWithSecretsThatOthersCanRead(t *testing.T) {
	var log bytes.Buffer
	private, shared := filepath.Join(t.TempDir(), "private"), filepath.Join(t.TempDir(), "shared")
	if err := os.WriteFile(private, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(shared, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	warnIfShared(slog.New(slog.NewTextHandler(&log, nil)), private, shared, "")
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, shared) {
		t.Errorf("log: %s", got)
	}
}
