package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"berth/orchestrator/api"
)

// Limits of a Fetcher whose fields are zero.
const (
	DefaultMaxBytes = 1 << 30
	DefaultMaxFiles = 100_000
	DefaultTimeout  = 5 * time.Minute
)

// Fetcher puts files into sandboxes. The zero value works.
type Fetcher struct {
	Client   *http.Client  // nil: http.DefaultClient
	MaxBytes int64         // of one file as transferred, and again of all that one archive unpacks to
	MaxFiles int           // entries of one archive
	Timeout  time.Duration // for one URI, unpacking included
}

// Fetch puts each item into dir, in order, and stops at the first that fails. Schemes are file, http and https; a plain
// absolute path means file. An executable file gets mode 0755 and is never unpacked.
func (f Fetcher) Fetch(ctx context.Context, dir string, items []api.Fetch) error {
	if len(items) == 0 {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open sandbox: %w", err)
	}
	defer root.Close()
	for _, item := range items {
		if err := f.withDefaults().fetch(ctx, root, item); err != nil {
			return err
		}
	}
	return nil
}

func (f Fetcher) withDefaults() Fetcher {
	if f.Client == nil {
		f.Client = http.DefaultClient
	}
	if f.MaxBytes <= 0 {
		f.MaxBytes = DefaultMaxBytes
	}
	if f.MaxFiles <= 0 {
		f.MaxFiles = DefaultMaxFiles
	}
	if f.Timeout <= 0 {
		f.Timeout = DefaultTimeout
	}
	return f
}

func (f Fetcher) fetch(ctx context.Context, root *os.Root, item api.Fetch) error {
	ctx, cancel := context.WithTimeoutCause(ctx, f.Timeout, fmt.Errorf("not finished after %s", f.Timeout))
	defer cancel()
	u, err := url.Parse(item.URI)
	if err != nil {
		return fmt.Errorf("fetch: URI %q is malformed", item.URI)
	}
	if err := f.fetchURL(ctx, root, u, item); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("fetch %s: %w", u.Redacted(), err)
	}
	return nil
}

func (f Fetcher) fetchURL(ctx context.Context, root *os.Root, u *url.URL, item api.Fetch) error {
	dest, err := destination(u, item.DestPath)
	if err != nil {
		return err
	}
	src, err := f.open(ctx, u)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := f.save(ctx, root, dest, src, item.Executable); err != nil {
		return err
	}
	if item.Extract && !item.Executable {
		return f.extract(ctx, root, dest)
	}
	return nil
}

// destination is where the file goes: destPath, or the last element of the URI's path.
func destination(u *url.URL, destPath string) (string, error) {
	if destPath != "" {
		return Local(destPath)
	}
	name := path.Base(path.Clean("/" + u.Path))
	if name == "/" {
		return "", errors.New("the URI ends in no file name; set destPath")
	}
	return Local(name)
}

func (f Fetcher) open(ctx context.Context, u *url.URL) (io.ReadCloser, error) {
	switch {
	case u.Scheme == "file" && (u.Host == "" || u.Host == "localhost"), u.Scheme == "" && strings.HasPrefix(u.Path, "/"):
		return openFile(u.Path)
	case u.Scheme == "http" || u.Scheme == "https":
		return f.get(ctx, u)
	}
	return nil, errors.New("expected a file://, http:// or https:// URI")
}

// openFile opens a regular file; a pipe or device could block or never end.
func openFile(name string) (io.ReadCloser, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	return os.Open(name)
}

func (f Fetcher) get(ctx context.Context, u *url.URL) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	// Otherwise a .tar.gz served with a Content-Encoding would arrive unpacked and fail to unpack.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := f.Client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("the server answered %s", resp.Status)
	}
	return resp.Body, nil
}

func (f Fetcher) save(ctx context.Context, root *os.Root, dest string, src io.Reader, executable bool) error {
	mode := os.FileMode(0o644)
	if executable {
		mode = 0o755
	}
	_, err := writeFile(ctx, root, dest, src, mode, f.MaxBytes)
	return err
}

// writeFile writes at most limit bytes of src to a new file in root and returns their number.
func writeFile(
	ctx context.Context, root *os.Root, dest string, src io.Reader, mode os.FileMode, limit int64,
) (int64, error) {
	if err := root.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return 0, err
	}
	// A name that is taken is replaced, never followed: it may be a link that an archive put there.
	if err := root.Remove(dest); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	out, err := root.OpenFile(dest, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, io.LimitReader(ctxReader{ctx, src}, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%w: the limit is %d bytes", errTooLarge, limit)
	}
	if err == nil {
		err = out.Chmod(mode) // whatever the umask says
	}
	return n, errors.Join(err, out.Close())
}

// ctxReader ends a copy from a file when the time is over.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
