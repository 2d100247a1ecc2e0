package mlb_test

import (
	"path/filepath"
	"testing"

	"berth/internal/certtest"
)

// certificate writes a self-signed certificate with its key to dir and returns the file.
func certificate(t testing.TB, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "cert.pem")
	certtest.Put(t, file, "localhost", 1)
	return file
}
