package orchestratord

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"berth/cmd/internal/cli"
)

// certificates are what the API's TLS is made of. They may be replaced while it serves.
type certificates struct {
	c    Config
	now  func() time.Time
	conf atomic.Pointer[tls.Config]
}

// newCertificates returns nil if no TLS is asked for.
func newCertificates(c Config) (*certificates, error) {
	switch {
	case c.TLSCert == "" && c.TLSKey == "" && c.TLSClientCA == "":
		return nil, nil
	case c.TLSCert == "":
		return nil, cli.Usagef("--tls-cert: expected a PEM file, since another TLS flag is given")
	case c.TLSKey == "":
		c.TLSKey = c.TLSCert // one file may hold both
	}
	s := &certificates{c: c, now: time.Now}
	if err := s.load(); err != nil {
		return nil, cli.UsageError{Err: err}
	}
	return s, nil
}

// files are those that a change of counts.
func (s *certificates) files() []string {
	list := []string{s.c.TLSCert, s.c.TLSKey}
	if s.c.TLSClientCA != "" {
		list = append(list, s.c.TLSClientCA)
	}
	return list
}

// load reads the files. On an error, what was read before goes on to be used.
func (s *certificates) load() error {
	cert, key, err := readPair(s.c.TLSCert, s.c.TLSKey)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("--tls-cert %s, --tls-key %s: %w", s.c.TLSCert, s.c.TLSKey, err)
	}
	conf := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		// Commands in tasks take their connection over from HTTP, which HTTP/2 has no way to do.
		NextProtos: []string{"http/1.1"},
	}
	if s.c.TLSClientCA != "" {
		pem, err := readSmall(s.c.TLSClientCA)
		if err != nil {
			return fmt.Errorf("--tls-client-ca: %w", err)
		}
		conf.ClientCAs = x509.NewCertPool()
		if !conf.ClientCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("--tls-client-ca %s: expected at least one PEM certificate", s.c.TLSClientCA)
		}
		conf.ClientAuth = tls.RequireAndVerifyClientCert
	}
	s.conf.Store(conf)
	return nil
}

func readPair(certFile, keyFile string) (cert, key []byte, err error) {
	if cert, err = readSmall(certFile); err != nil {
		return nil, nil, fmt.Errorf("--tls-cert: %w", err)
	}
	if key, err = readSmall(keyFile); err != nil {
		return nil, nil, fmt.Errorf("--tls-key: %w", err)
	}
	return cert, key, nil
}

// server is the configuration of the listener: each connection gets the certificates of its time.
func (s *certificates) server() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.conf.Load(), nil },
	}
}

// expiry is when the certificate ends.
func (s *certificates) expiry() time.Time {
	if leaf := s.conf.Load().Certificates[0].Leaf; leaf != nil {
		return leaf.NotAfter
	}
	return time.Time{}
}

// note says what is in use, and warns of an end that is near.
func (s *certificates) note(log *slog.Logger) {
	end := s.expiry()
	attrs := []any{"file", s.c.TLSCert, "expires", end.UTC().Format(time.RFC3339)}
	switch left := end.Sub(s.now()); {
	case left < 0:
		log.Error("the certificate has expired", attrs...)
	case left < 7*24*time.Hour:
		log.Warn("the certificate expires soon", attrs...)
	default:
		log.Info("certificate in use", attrs...)
	}
}
