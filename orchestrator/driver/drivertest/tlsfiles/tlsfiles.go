// Package tlsfiles makes certificates for tests of Docker engines at tcp addresses: an authority, and certificates of an
// engine and of its client, as dockerd --tlsverify wants them.
package tlsfiles

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Pair is a certificate and its key, as paths of PEM files.
type Pair struct{ Cert, Key string }

// Files are the paths of what Make made.
type Files struct {
	CA             string
	Engine, Client Pair
}

// Make writes the files of an engine that is reached at the given addresses. They are valid for a day.
func Make(t testing.TB, addresses ...string) Files {
	t.Helper()
	m := &maker{TB: t, dir: t.TempDir()}
	m.authority = m.key()
	m.ca = m.template("test authority")
	m.ca.IsCA, m.ca.BasicConstraintsValid, m.ca.KeyUsage = true, true, x509.KeyUsageCertSign
	f := Files{CA: m.write("ca.pem", "CERTIFICATE", m.sign(m.ca, &m.authority.PublicKey))}
	engine := m.template("engine")
	for _, a := range addresses {
		engine.IPAddresses = append(engine.IPAddresses, net.ParseIP(a))
	}
	engine.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	f.Engine = m.pair("engine", engine)
	client := m.template("client")
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	f.Client = m.pair("client", client)
	return f
}

type maker struct {
	testing.TB
	dir       string
	authority *ecdsa.PrivateKey
	ca        *x509.Certificate
	serial    int64
}

func (m *maker) key() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		m.Fatal(err)
	}
	return k
}

func (m *maker) template(name string) *x509.Certificate {
	m.serial++
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(m.serial), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

func (m *maker) sign(c *x509.Certificate, key *ecdsa.PublicKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, c, m.ca, key, m.authority)
	if err != nil {
		m.Fatal(err)
	}
	return der
}

func (m *maker) pair(name string, c *x509.Certificate) Pair {
	key := m.key()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		m.Fatal(err)
	}
	return Pair{
		Cert: m.write(name+".pem", "CERTIFICATE", m.sign(c, &key.PublicKey)),
		Key:  m.write(name+"-key.pem", "EC PRIVATE KEY", der),
	}
}

func (m *maker) write(name, kind string, der []byte) string {
	path := filepath.Join(m.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		m.Fatal(err)
	}
	return path
}
