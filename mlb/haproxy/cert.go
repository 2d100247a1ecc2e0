package haproxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"berth/mlb/certs"
)

// SelfSigned makes sure that path holds a usable certificate with its key, so that port 443 can be opened when the operator
// has none: ECDSA P-256, common name *, ten years, mode 0600. One that is there and still valid stays.
func SelfSigned(path string, now time.Time) error {
	if pair, err := tls.LoadX509KeyPair(path, path); err == nil && pair.Leaf != nil &&
		now.Add(24*time.Hour).Before(pair.Leaf.NotAfter) {
		return nil
	}
	text, err := selfSigned(now)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = renameio.WriteFile(path, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("make a self-signed certificate: %w", err)
	}
	return nil
}

func selfSigned(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "*"}, DNSNames: []string{"*"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...), nil
}

// maxCertificates bounds the files looked at in a directory.
const maxCertificates = 10000

// CheckCertificate says why HAProxy could not use a certificate: path is a file with certificate and key, or a directory of
// such files. Files of a directory are HAProxy's to judge; there must be one at least.
func CheckCertificate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	if !info.IsDir() {
		if err := certs.Check(path); err != nil {
			return fmt.Errorf("certificate %s: %w", path, err)
		}
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	if len(entries) == 0 || len(entries) > maxCertificates {
		return fmt.Errorf("certificate directory %s has %d files: expected 1 to %d", path, len(entries), maxCertificates)
	}
	for _, e := range entries {
		if e.Type().IsRegular() || e.Type()&os.ModeSymlink != 0 {
			return nil
		}
	}
	return errors.New("certificate directory " + path + " has no files")
}
