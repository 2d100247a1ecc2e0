package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

type record struct {
	N    int    `json:"n"`
	Text string `json:"text,omitempty"`
}

func open(t *testing.T, opt Options) *Log {
	t.Helper()
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// numbers reads the records of a file.
func numbers(t *testing.T, name string) []int {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for line := range strings.Lines(string(data)) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %q: %v", name, line, err)
		}
		out = append(out, r.N)
	}
	return out
}

func TestRecordsAreLinesAndSurvive(t *testing.T) {
	name := filepath.Join(t.TempDir(), "audit.log")
	for i := range 3 {
		l := open(t, Options{File: name})
		l.Add(record{N: i, Text: "a\nb"})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l.Add(record{N: 99})
	}
	if got := numbers(t, name); fmt.Sprint(got) != "[0 1 2]" {
		t.Errorf("records: %v", got)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: %v %v", info.Mode(), err)
	}
}

func TestOlderPartsAreBounded(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "audit.log")
	l := open(t, Options{File: name, Size: 100, Keep: 2})
	for i := range 50 {
		l.Add(record{N: i, Text: strings.Repeat("x", 20)})
	}
	var all []int
	for _, n := range []string{name + ".2", name + ".1", name} {
		if info, err := os.Stat(n); err != nil || info.Size() > 100 {
			t.Errorf("%s: %v, %v", n, info, err)
		}
		all = append(all, numbers(t, n)...)
	}
	for i, n := range all {
		if n != 50-len(all)+i {
			t.Fatalf("records: %v; expected the last ones without a gap", all)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 3 {
		t.Errorf("files: %v %v", entries, err)
	}
}

func TestALineThatWasCutOffEnds(t *testing.T) {
	name := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(name, []byte(`{"n":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, Options{File: name}).Add(record{N: 2})
	if got := numbers(t, name); fmt.Sprint(got) != "[1 2]" {
		t.Errorf("records: %v", got)
	}
}

func TestAFileThatWasMovedIsMadeAnew(t *testing.T) {
	name := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, Options{File: name})
	l.Add(record{N: 1})
	if err := os.Rename(name, name+".old"); err != nil {
		t.Fatal(err)
	}
	l.Add(record{N: 2})
	if old, now := numbers(t, name+".old"), numbers(t, name); fmt.Sprint(old, now) != "[1] [2]" {
		t.Errorf("records: %v, %v", old, now)
	}
}

func TestTroubleIsToldOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	name := filepath.Join(dir, "audit.log")
	l := open(t, Options{File: name, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		l.Add(record{N: i})
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l.Add(record{N: 3})
	if got := numbers(t, name); fmt.Sprint(got) != "[3]" {
		t.Errorf("records: %v", got)
	}
	if strings.Count(log.String(), "lost") != 1 || strings.Count(log.String(), "again") != 1 {
		t.Errorf("log: %s", log.String())
	}
	if _, err := Open(Options{File: dir}); err == nil {
		t.Error("a directory was taken for a log")
	}
	if _, err := Open(Options{File: "/dev/null"}); err == nil || !strings.Contains(err.Error(), "expected a file") {
		t.Errorf("a device was taken for a log: %v", err)
	}
}

func TestManyAtATime(t *testing.T) {
	name := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, Options{File: name, Size: 1000, Keep: 100})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				l.Add(record{N: i*50 + j})
			}
		})
	}
	wg.Wait()
	seen := map[int]bool{}
	parts, err := filepath.Glob(name + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		for _, n := range numbers(t, p) {
			seen[n] = true
		}
	}
	if len(seen) != 400 {
		t.Errorf("%d of 400 records", len(seen))
	}
}
