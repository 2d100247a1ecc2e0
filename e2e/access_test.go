//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/internal/porttest"
)

// guarded is an orchestrator that speaks TLS only, wants a certificate of every client, and knows two tokens: "reader" may
// read, "writer" may do everything.
type guarded struct {
	*cluster
	ca, cert string // PEM files; cert holds the key as well, and serves both sides
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	dir, err := os.MkdirTemp("", "berth")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	g := &guarded{
		cluster: &cluster{t: t, dir: dir, httpPort: porttest.Free(t), httpsPort: porttest.Free(t), statsPort: porttest.Free(t),
			appIDPort: porttest.Free(t), servicePorts: porttest.Range(t, portsEach), hostPorts: porttest.Range(t, portsEach)},
		ca: filepath.Join(dir, "ca.pem"), cert: filepath.Join(dir, "both.pem"),
	}
	g.issue()
	g.file("tokens", "read follower reader\nwrite operator writer\n")
	g.file("reader", "reader\n")
	listen := "127.0.0.1:" + itoa(porttest.Free(t))
	g.api = "https://" + listen
	g.orchestrator = start(t, "orchestrator", "--listen", listen, "--data", filepath.Join(dir, "o"), "--driver", "process",
		"--cluster", filepath.Base(dir), "--local-port-min", itoa(g.servicePorts), "--local-port-max",
		itoa(g.servicePorts+portsEach-1), "--dynamic-ports", itoa(g.hostPorts)+"-"+itoa(g.hostPorts+portsEach-1),
		"--token-file", filepath.Join(dir, "tokens"), "--tls-cert", g.cert, "--tls-client-ca", g.ca,
		"--audit-log", filepath.Join(dir, "audit.log"))
	eventually(t, 30*time.Second, "the API answers", func() error {
		_, err := g.berth("writer", "info")
		return err
	})
	return g
}

func (g *guarded) file(name, text string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// issue makes an authority and one certificate of it.
func (g *guarded) issue() {
	g.t.Helper()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			g.t.Fatal(err)
		}
		return k
	}
	caKey, own := key(), key()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "e2e"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "everybody"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore:   ca.NotBefore, NotAfter: ca.NotAfter}
	block := func(kind string, der []byte, err error) string {
		if err != nil {
			g.t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	g.file("ca.pem", block("CERTIFICATE", caDER, err))
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &own.PublicKey, caKey)
	text := block("CERTIFICATE", leafDER, err)
	keyDER, err := x509.MarshalECPrivateKey(own)
	g.file("both.pem", text+block("EC PRIVATE KEY", keyDER, err))
}

// berth runs the command line with one of the tokens.
func (g *guarded) berth(token string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin+"/berth", args...)
	cmd.Env = append(os.Environ(), "BERTH_URL="+g.api, "BERTH_TOKEN="+token, "BERTH_CA_FILE="+g.ca, "BERTH_CERT_FILE="+g.cert)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// operator runs a command that has to succeed.
func (g *guarded) operator(args ...string) string {
	g.t.Helper()
	out, err := g.berth("writer", args...)
	if err != nil {
		g.t.Fatalf("berth %v: %v\n%s", args, err, out)
	}
	return out
}

// TestEverybodyOverTLS: balancer and name server follow with a token that may read, the operator does everything else, and
// the audit log has it.
func TestEverybodyOverTLS(t *testing.T) {
	need(t, "haproxy")
	g := newGuarded(t)
	follow := []string{"--marathon", g.api, "--marathon-token-file", filepath.Join(g.dir, "reader"), "--marathon-ca-cert", g.ca,
		"--marathon-client-cert", g.cert}
	start(t, "mlb", append(follow, "--group", "external", "--health-check", "--haproxy-config", filepath.Join(g.dir, "l", "haproxy.cfg"),
		"--http-port", itoa(g.httpPort), "--https-port", itoa(g.httpsPort), "--stats-port", itoa(g.statsPort),
		"--appid-port", itoa(g.appIDPort))...)
	dns := porttest.Free(t)
	dnsd(t, dns, filepath.Join(g.dir, "d"), follow...)

	doc, err := json.Marshal(hello("/web", 2, external("HAPROXY_0_VHOST", "web.example.com"), nil))
	if err != nil {
		t.Fatal(err)
	}
	g.file("web.json", string(doc))
	file := filepath.Join(g.dir, "web.json")
	t.Cleanup(func() {
		if out, err := g.berth("writer", "app", "remove", "web", "--wait", "--force"); err != nil && !strings.Contains(out, "not exist") {
			t.Errorf("remove: %v\n%s", err, out)
		}
	})
	if out, err := g.berth("reader", "app", "add", file); err == nil || !strings.Contains(out, `"follower" may only read`) {
		t.Errorf("a reader added an app: %v\n%s", err, out)
	}
	if out, err := g.berth("reader", "plan", file); err != nil || !strings.Contains(out, "+ /web: 2 start on agent-1 (2)") ||
		!strings.Contains(out, "+ host web.example.com") || !strings.Contains(out, "+ web.marathon.mesos. A") {
		t.Errorf("plan: %v\n%s", err, out)
	}
	g.operator("app", "add", file, "--wait")
	g.answers(g.front("/"), "web.example.com", "/web")
	dnsAwait(t, dns, "web.marathon.mesos.")
	// Both acknowledge what they route: a task is stopped long before its drain time is over.
	began := time.Now()
	g.operator("app", "restart", "web", "--wait")
	t.Logf("restart in %v", time.Since(began))
	g.answers(g.front("/"), "web.example.com", "/web")

	if out := g.operator("task", "exec", "web", "--", "sh", "-c", "echo $MARATHON_APP_ID"); out != "/web\n" {
		t.Errorf("exec: %q", out)
	}
	g.operator("backup", filepath.Join(g.dir, "state.db"))
	out, err := exec.Command(bin+"/orchestrator", "restore", "--check", filepath.Join(g.dir, "state.db")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "1 apps, 2 tasks") {
		t.Errorf("check of the backup: %v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(g.dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"user":"follower","role":"read"`, `"status":403`, `"user":"operator","role":"write"`, `"route":"/v2/apps/{id}/restart"`,
		`"route":"/v1/backup"`, `"route":"/v2/tasks/{task}/exec"`,
	} {
		if !strings.Contains(string(data), part) {
			t.Errorf("the audit log has no %s:\n%s", part, data)
		}
	}
	if strings.Contains(string(data), "writer") || strings.Contains(string(data), "reader") {
		t.Errorf("the audit log has a token:\n%s", data)
	}
}
