package haproxy

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFilesWithoutEndAreFound(t *testing.T) {
	dir := t.TempDir()
	pipe, file := filepath.Join(dir, "pipe"), filepath.Join(dir, "file")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for line, bad := range map[string]bool{
		"  bind *:1 ssl crt " + pipe:                                      true,
		`  bind *:1 ssl crt ` + file + ` "c"rt "/dev/zero"`:               true,
		"  server s 127.0.0.1:1 ssl ca-file /dev/urandom verify required": true,
		"  bind *:1 ssl crt " + file + " ca-file " + file:                 false,
		"  bind *:1 ssl crt " + dir:                                       false,
		"  bind *:1 ssl crt " + filepath.Join(dir, "missing"):             false,
		"  http-request set-header X /dev/zero":                           false,
		"  bind *:1 ssl crt":                                              false,
	} {
		got := endless([]byte("global\n  maxconn 1\nfrontend web_1\n" + line + "\n"))
		if (len(got) == 1) != bad {
			t.Errorf("%s: %v", line, got)
		}
		if bad && (got[0].Section != "web_1" || got[0].Line != 4) {
			t.Errorf("%s: %+v: want section web_1, line 4", line, got[0])
		}
	}
}
