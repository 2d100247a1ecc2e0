package certs

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestNamed(t *testing.T) {
	config := []byte("frontend a\n  bind *:443 ssl crt /b.pem crt /a.pem alpn h2\n  # bind crt /no\n  http-request set-header crt /no\n" +
		"frontend b\n  bind *:1 ssl crt-list /list\n  bind *:2 ssl crt /a.pem crt\n")
	got := Named(config, func(file string) []byte { return []byte("# c\n/c.pem [verify none] x.test\n\n/d.pem\n") })
	if diff := cmp.Diff([]string{"/a.pem", "/b.pem", "/c.pem", "/d.pem"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDiff(t *testing.T) {
	set := func(files map[string]File) Set { return Set{Files: files, Bad: map[string]error{}} }
	one, two := File{Sum: [32]byte{1}, Text: []byte("1\n")}, File{Sum: [32]byte{2}, Text: []byte("2\n")}
	inDir := File{Sum: [32]byte{3}, Text: []byte("3\n"), Dir: "/d"}
	big, companion := two, two
	big.Text, companion.Companions = make([]byte, maxPayload+1), true
	have := set(map[string]File{"/a": one})
	cases := []struct {
		rule       string
		have, want Set
		lines      []string
		reload     bool
	}{
		{"nothing changed", have, have, nil, false},
		{"a file changed", have, set(map[string]File{"/a": two}), []string{"set ssl cert /a", "commit ssl cert /a"}, false},
		{"a file of a directory is new", have, set(map[string]File{"/a": one, "/d/x": inDir}),
			[]string{"new ssl cert /d/x", "set ssl cert /d/x", "commit ssl cert /d/x", "add ssl crt-list /d /d/x"}, false},
		{"a file of a directory is gone", set(map[string]File{"/a": one, "/d/x": inDir}), have,
			[]string{"del ssl crt-list /d /d/x", "del ssl cert /d/x"}, false},
		{"a file that is gone stays in HAProxy", have, set(nil), nil, false},
		{"a file that is new needs a reload", have, set(map[string]File{"/a": one, "/b": two}), nil, true},
		{"a large one needs a reload", have, set(map[string]File{"/a": big}), nil, true},
		{"one with companions needs a reload", have, set(map[string]File{"/a": companion}), nil, true},
	}
	for _, c := range cases {
		commands, reason := Diff(c.have, c.want)
		var lines []string
		for _, cmd := range commands {
			lines = append(lines, cmd.Line)
		}
		if diff := cmp.Diff(c.lines, lines); diff != "" || (reason != "") != c.reload {
			t.Errorf("%s: reason %q, commands (-want +got):\n%s", c.rule, reason, diff)
		}
		if !c.reload {
			if again, _ := Diff(Merge(c.have, c.want), c.want); len(again) > 0 {
				t.Errorf("%s: not in step afterwards: %v", c.rule, again)
			}
		}
	}
}

func TestBlocksHaveNoEmptyLine(t *testing.T) {
	in := "text\n\n-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\n\nQUJD\n-----END X-----\n\n\n-----BEGIN Y-----\nQUJD\n-----END Y-----\n"
	want := "-----BEGIN X-----\nQUJD\n-----END X-----\n-----BEGIN Y-----\nQUJD\n-----END Y-----\n"
	if diff := cmp.Diff(want, string(blocks([]byte(in)))); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNoFileIsNotRead(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.pem")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero"} {
		if s := Scan([]string{path}); !errors.Is(s.Bad[path], errNotRegular) {
			t.Errorf("%s: %v", path, s.Bad[path])
		}
		if err := Check(path); !errors.Is(err, errNotRegular) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
