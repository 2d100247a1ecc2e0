package haproxy

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSelfSignedCertificateIsMadeOnceAndLasts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "cert.pem")
	now := time.Now()
	if err := SelfSigned(path, now); err != nil {
		t.Fatal(err)
	}
	if err := CheckCertificate(path); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	first, _ := os.ReadFile(path)
	if err := SelfSigned(path, now.AddDate(9, 11, 0)); err != nil {
		t.Fatal(err)
	}
	if again, _ := os.ReadFile(path); string(again) != string(first) {
		t.Error("a valid certificate was replaced")
	}
	if err := SelfSigned(path, now.AddDate(10, 0, 1)); err != nil {
		t.Fatal(err)
	}
	if again, _ := os.ReadFile(path); string(again) == string(first) {
		t.Error("an expired certificate stays")
	}
}

func TestUnusableCertificatesAreRefused(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.pem")
	if err := os.WriteFile(junk, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, huge := filepath.Join(dir, "pipe.pem"), filepath.Join(dir, "huge.pem")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(huge, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"missing": filepath.Join(dir, "none"), "junk": junk, "empty directory": t.TempDir(), "named pipe": pipe,
		"endless device": "/dev/zero", "huge": huge,
	} {
		t.Run(name, func(t *testing.T) {
			if CheckCertificate(path) == nil {
				t.Error("accepted")
			}
		})
	}
	if err := CheckCertificate(dir); err != nil {
		t.Errorf("a directory with files: %v", err)
	}
}
