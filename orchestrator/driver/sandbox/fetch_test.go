package sandbox

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"berth/orchestrator/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// file is one entry of an archive.
type file struct {
	name, body string
	mode       int64
	kind       byte // of tar
	link       string
}

func tarOf(t testing.TB, files ...file) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: max(f.mode, 0o600), Size: int64(len(f.body)), Typeflag: f.kind, Linkname: f.link}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func gzipOf(t testing.TB, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zipOf(t testing.TB, files ...file) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate}
		h.SetMode(fs.FileMode(max(f.mode, 0o600)))
		if f.link != "" {
			h.SetMode(fs.ModeSymlink | 0o777)
			f.body = f.link
		}
		e, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = e.Write([]byte(f.body))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// through packs data with a program of the system, or skips.
func through(t *testing.T, program string, data []byte) []byte {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
	cmd := exec.Command(program, "-c")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fetch puts data under name into a sandbox of its own and returns that.
func fetch(t *testing.T, f Fetcher, name string, data []byte, change func(i *api.Fetch)) (string, error) {
	t.Helper()
	src := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(src, data, 0o644); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "box")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	item := api.Fetch{URI: "file://" + src, Extract: true}
	if change != nil {
		change(&item)
	}
	return dir, f.Fetch(context.Background(), dir, []api.Fetch{item})
}

// contents lists what lies in dir: path, permissions, and content or target.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			out[name] = "-> " + target
			return err
		}
		body, err := os.ReadFile(path)
		out[name] = fmt.Sprintf("%o %s", info.Mode()&(fs.ModePerm|fs.ModeSetuid), body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestArchivesAreUnpacked(t *testing.T) {
	files := []file{{name: "d/run", body: "#!", mode: 0o4755}, {name: "data", body: "x", mode: 0o644}}
	plain := tarOf(t, files...)
	for name, pack := range map[string]func(t *testing.T) []byte{
		"a.tar":     func(*testing.T) []byte { return plain },
		"a.tar.gz":  func(t *testing.T) []byte { return gzipOf(t, plain) },
		"a.tgz":     func(t *testing.T) []byte { return gzipOf(t, plain) },
		"a.tar.bz2": func(t *testing.T) []byte { return through(t, "bzip2", plain) },
		"a.tbz2":    func(t *testing.T) []byte { return through(t, "bzip2", plain) },
		"a.tar.xz":  func(t *testing.T) []byte { return through(t, "xz", plain) },
		"a.txz":     func(t *testing.T) []byte { return through(t, "xz", plain) },
		"a.zip":     func(t *testing.T) []byte { return zipOf(t, files...) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := fetch(t, Fetcher{}, name, pack(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			got := contents(t, dir)
			delete(got, name)
			if diff := cmp.Diff(map[string]string{"d/run": "755 #!", "data": "644 x"}, got); diff != "" {
				t.Errorf("sandbox (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatBecomesOfAFile(t *testing.T) {
	archive := tarOf(t, file{name: "x", body: "x"})
	for name, c := range map[string]struct {
		file   string
		data   []byte
		change func(i *api.Fetch)
		want   map[string]string
	}{
		"no archive": {"notes.txt", []byte("n"), nil, map[string]string{"notes.txt": "644 n"}},
		"executable": {
			"run", []byte("#!"), func(i *api.Fetch) { i.Executable = true }, map[string]string{"run": "755 #!"},
		},
		"executable archive": {
			"a.tar", []byte("#!"), func(i *api.Fetch) { i.Executable = true }, map[string]string{"a.tar": "755 #!"},
		},
		"not to be unpacked": {
			"a.zip", []byte("z"), func(i *api.Fetch) { i.Extract = false }, map[string]string{"a.zip": "644 z"},
		},
		"only packed": {
			"log.gz", gzipOf(t, []byte("l")), nil, map[string]string{"log": "644 l", "log.gz": "644 " + string(gzipOf(t, []byte("l")))},
		},
		"other place": {
			"n", []byte("n"), func(i *api.Fetch) { i.DestPath = "a/b" }, map[string]string{"a/b": "644 n"},
		},
		"archive to a place": {
			"a.tar", archive, func(i *api.Fetch) { i.DestPath = "sub/b.tar" }, map[string]string{"sub/b.tar": "644 " + string(archive), "sub/x": "600 x"},
		},
		"a path without scheme": {
			"n", []byte("n"), func(i *api.Fetch) { i.URI = strings.TrimPrefix(i.URI, "file://") }, map[string]string{"n": "644 n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := fetch(t, Fetcher{}, c.file, c.data, c.change)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, contents(t, dir)); diff != "" {
				t.Errorf("sandbox (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLinksInsideTheSandboxWork(t *testing.T) {
	dir, err := fetch(t, Fetcher{}, "a.tar", tarOf(t,
		file{name: "d/real", body: "x"}, file{name: "d/soft", kind: tar.TypeSymlink, link: "../d/real"},
		file{name: "hard", kind: tar.TypeLink, link: "d/real"}, file{name: "dir/", kind: tar.TypeDir, mode: 0o755},
	), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := contents(t, dir)
	delete(got, "a.tar")
	want := map[string]string{"d/real": "600 x", "d/soft": "-> ../d/real", "hard": "600 x"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sandbox (-want +got):\n%s", diff)
	}
}

// TestHostileArchives: whatever one holds, nothing appears or changes outside the sandbox.
func TestHostileArchives(t *testing.T) {
	outside := t.TempDir()
	victim := filepath.Join(outside, "victim")
	for name, c := range map[string]struct {
		file string
		data []byte
		want string
	}{
		"tar: path leaves": {
			"a.tar", tarOf(t, file{name: "../evil", body: "x"}), `path "../evil": expected a relative path`,
		},
		"tar: path leaves deep": {"a.tar", tarOf(t, file{name: "a/../../evil", body: "x"}), "expected a relative path"},
		"tar: absolute path":    {"a.tar", tarOf(t, file{name: victim, body: "x"}), "expected a relative path"},
		"tar: directory leaves": {"a.tar", tarOf(t, file{name: "../dir", kind: tar.TypeDir}), "expected a relative path"},
		"tar: absolute link": {
			"a.tar", tarOf(t, file{name: "l", kind: tar.TypeSymlink, link: victim}), "leaves the sandbox",
		},
		"tar: link leaves": {
			"a.tar", tarOf(t, file{name: "d/l", kind: tar.TypeSymlink, link: "../../x"}), "leaves the sandbox",
		},
		"tar: hard link leaves": {
			"a.tar", tarOf(t, file{name: "l", kind: tar.TypeLink, link: "../victim"}), "expected a relative path",
		},
		"tar: hard link absolute": {
			"a.tar", tarOf(t, file{name: "l", kind: tar.TypeLink, link: victim}), "expected a relative path",
		},
		"tar: link named ..": {
			"a.tar", tarOf(t, file{name: "..", kind: tar.TypeSymlink, link: "x"}), "expected a relative path",
		},
		"tar: device":      {"a.tar", tarOf(t, file{name: "dev", kind: tar.TypeChar}), "is not allowed"},
		"tar: pipe":        {"a.tar", tarOf(t, file{name: "pipe", kind: tar.TypeFifo}), "is not allowed"},
		"tar: cut off":     {"a.tar", tarOf(t, file{name: "x", body: "xxxx"})[:514], "unexpected EOF"},
		"tar: garbage":     {"a.tar", bytes.Repeat([]byte("x"), 1024), "unpack"},
		"zip: path leaves": {"a.zip", zipOf(t, file{name: "../evil", body: "x"}), "expected a relative path"},
		"zip: link leaves": {"a.zip", zipOf(t, file{name: "l", link: "/etc"}), "leaves the sandbox"},
		"zip: garbage":     {"a.zip", []byte("PK"), "unpack: zip"},
		"gz: garbage":      {"a.tar.gz", []byte("nothing"), "unpack"},
		"gz bomb": {
			"a.tar.gz", gzipOf(t, tarOf(t, file{name: "zeros", body: strings.Repeat("0", 2<<20)})), "larger than allowed",
		},
		"gz bomb, no archive": {"a.gz", gzipOf(t, make([]byte, 2<<20)), "larger than allowed"},
		"many small ones":     {"a.tar", tarOf(t, make50()...), "more entries than allowed"},
		"together too large": {
			"a.zip", zipOf(t, file{name: "a", body: strings.Repeat("0", 700<<10)}, file{name: "b", body: strings.Repeat("0", 700<<10)}), "larger than allowed",
		},
		"as transferred too large": {"a.txt", make([]byte, 1<<20+1), "larger than allowed: the limit is 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := fetch(t, Fetcher{MaxBytes: 1 << 20, MaxFiles: 20}, c.file, c.data, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("fetch: %v, want %q", err, c.want)
			}
			for _, parent := range []string{filepath.Dir(dir), outside} {
				for name := range contents(t, parent) {
					if !strings.HasPrefix(name, "box/") {
						t.Errorf("%s appeared outside", name)
					}
				}
			}
		})
	}
}

func make50() []file {
	var out []file
	for i := range 50 {
		out = append(out, file{name: fmt.Sprint(i)})
	}
	return out
}

// TestALinkCannotLeadALaterEntryOut: links are checked by name when made and by the kernel when used.
func TestALinkCannotLeadALaterEntryOut(t *testing.T) {
	dir, err := fetch(t, Fetcher{}, "a.tar", tarOf(t,
		file{name: "a/b/", kind: tar.TypeDir}, file{name: "up", kind: tar.TypeSymlink, link: "a/b"},
		file{name: "up/../../x", body: "x"},
	), nil)
	if err == nil {
		t.Errorf("the entry was accepted: %v", contents(t, dir))
	}
	// A link made by other means, as a task could, is not followed outside either.
	if err := os.Symlink(filepath.Dir(dir), filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	src := filepath.Join(t.TempDir(), "n")
	if err := os.WriteFile(src, []byte("n"), 0o644); err != nil {
		t.Fatal(err)
	}
	err = Fetcher{}.Fetch(t.Context(), dir, []api.Fetch{{URI: "file://" + src, DestPath: "out/evil"}})
	if err == nil || !strings.Contains(err.Error(), "escapes") {
		t.Errorf("through a link: %v", err)
	}
}

func TestBadItemsAreRefused(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := exec.Command("mkfifo", fifo).Run(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		item api.Fetch
		want string
	}{
		"scheme":     {api.Fetch{URI: "hdfs://x/y"}, "fetch hdfs://x/y: expected a file://, http:// or https:// URI"},
		"other host": {api.Fetch{URI: "file://other/x"}, "expected a file://"},
		"relative":   {api.Fetch{URI: "x"}, "expected a file://"},
		"malformed":  {api.Fetch{URI: "http://%"}, "malformed"},
		"no name":    {api.Fetch{URI: "file:///"}, "no file name"},
		"missing":    {api.Fetch{URI: "file:///no/such"}, "no such file"},
		"directory":  {api.Fetch{URI: "file:///etc"}, "not a regular file"},
		"pipe":       {api.Fetch{URI: "file://" + fifo}, "not a regular file"},
		"dest":       {api.Fetch{URI: "file:///etc/hostname", DestPath: "../x"}, "inside the sandbox"},
		"password":   {api.Fetch{URI: "ftp://u:secret@h/x"}, "fetch ftp://u:xxxxx@h/x"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Fetcher{}.Fetch(t.Context(), t.TempDir(), []api.Fetch{c.item})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("fetch: %v, want %q", err, c.want)
			}
		})
	}
}

func TestHTTP(t *testing.T) {
	stuck := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/ok/a.txt", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("Accept-Encoding")) })
	mux.Handle("/moved", http.RedirectHandler("/ok/a.txt", http.StatusFound))
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		fmt.Fprint(w, "12345")
	})
	mux.HandleFunc("/stuck", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "begin")
		_ = http.NewResponseController(w).Flush()
		<-stuck
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	defer close(stuck)
	f := Fetcher{Client: srv.Client(), Timeout: 500 * time.Millisecond}
	for path, want := range map[string]string{
		"/ok/a.txt": "", "/moved": "", "/none": "the server answered 404 Not Found", "/cut": "unexpected EOF",
		"/stuck": "not finished after 500ms",
	} {
		dir := t.TempDir()
		err := f.Fetch(t.Context(), dir, []api.Fetch{{URI: srv.URL + path}})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if want != "" {
			continue
		}
		if got := contents(t, dir); got[filepath.Base(path)] != "644 identity" {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func FuzzArchives(f *testing.F) {
	names := []string{"a.tar", "a.tgz", "a.zip"}
	f.Add(uint8(0), tarOf(f, file{name: "../x", body: "x"}))
	f.Add(uint8(1), gzipOf(f, tarOf(f, file{name: "l", kind: tar.TypeSymlink, link: "d"}, file{name: "l/x", body: "x"})))
	f.Add(uint8(2), zipOf(f, file{name: "d/x", body: "x"}, file{name: "l", link: "d"}))
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		name := names[int(kind)%len(names)]
		dir, _ := fetch(t, Fetcher{MaxBytes: 1 << 16, MaxFiles: 50}, name, data, nil)
		left, err := os.ReadDir(filepath.Dir(dir))
		if err != nil || len(left) != 1 {
			t.Errorf("beside the sandbox: %v, %v", left, err)
		}
	})
}
