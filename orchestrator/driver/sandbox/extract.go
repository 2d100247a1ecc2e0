package sandbox

import (
	"archive/tar"
	"archive/zip"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// format says how a file name's ending is unpacked.
type format struct {
	suffix   string
	tar, zip bool
	packed   string // gz, bz2, xz or ""
}

// formats: the longer ending of two that match comes first. They are those of Marathon's "uris" (section 4).
var formats = []format{
	{suffix: ".tar.gz", tar: true, packed: "gz"}, {suffix: ".tgz", tar: true, packed: "gz"},
	{suffix: ".tar.bz2", tar: true, packed: "bz2"}, {suffix: ".tbz2", tar: true, packed: "bz2"},
	{suffix: ".tar.xz", tar: true, packed: "xz"}, {suffix: ".txz", tar: true, packed: "xz"},
	{suffix: ".tar", tar: true}, {suffix: ".zip", zip: true}, {suffix: ".gz", packed: "gz"},
}

// extract unpacks the archive name beside itself. A file with no known ending is left as it is, as in Mesos.
func (f Fetcher) extract(ctx context.Context, root *os.Root, name string) error {
	for _, ft := range formats {
		if strings.HasSuffix(name, ft.suffix) && len(name) > len(ft.suffix) {
			if err := f.unpack(ctx, root, name, ft); err != nil {
				return fmt.Errorf("unpack: %w", err)
			}
			return nil
		}
	}
	return nil
}

func (f Fetcher) unpack(ctx context.Context, root *os.Root, name string, ft format) error {
	file, err := root.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	u := &unpacker{ctx: ctx, root: root, dir: filepath.Dir(name), bytes: f.MaxBytes, files: f.MaxFiles}
	if ft.zip {
		return u.zip(file)
	}
	stream, finish, err := decompress(ctx, file, ft.packed)
	if err != nil {
		return err
	}
	if ft.tar {
		err = u.tar(tar.NewReader(stream))
	} else {
		err = u.file(strings.TrimSuffix(filepath.Base(name), ft.suffix), stream, 0o644)
	}
	return errors.Join(err, finish(err != nil))
}

// decompress opens a packed stream. finish must be called at the end; aborted says that not all was read.
func decompress(ctx context.Context, r io.Reader, packed string) (_ io.Reader, finish func(aborted bool) error, _ error) {
	none := func(bool) error { return nil }
	switch packed {
	case "gz":
		z, err := gzip.NewReader(r)
		return z, none, err
	case "bz2":
		return bzip2.NewReader(r), none, nil
	case "xz":
		return xz(ctx, r)
	}
	return r, none, nil
}

// xz reads through the system's xz: the standard library has none. Only its output is used, so it touches no file.
func xz(ctx context.Context, r io.Reader) (io.Reader, func(bool) error, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, "xz", "-dc")
	cmd.Stdin = r
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		if errors.Is(err, exec.ErrNotFound) {
			err = errors.New("xz is not installed on this host")
		}
		return nil, nil, err
	}
	finish := func(aborted bool) error {
		defer cancel()
		if aborted {
			cancel()
			_ = cmd.Wait() // killed by us: the reason is the caller's
			return nil
		}
		if _, err := io.Copy(io.Discard, out); err != nil {
			return err
		}
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("xz: %w", err)
		}
		return nil
	}
	return out, finish, nil
}

// unpacker writes entries below dir of root, within its limits.
type unpacker struct {
	ctx   context.Context
	root  *os.Root
	dir   string
	bytes int64 // left
	files int   // left
}

func (u *unpacker) path(name string) (string, error) {
	if u.files--; u.files < 0 {
		return "", errors.New("the archive has more entries than allowed")
	}
	local, err := Local(name)
	if err != nil {
		return "", fmt.Errorf("entry %w", err)
	}
	return filepath.Join(u.dir, local), nil
}

func (u *unpacker) file(name string, r io.Reader, mode os.FileMode) error {
	dest, err := u.path(name)
	if err != nil {
		return err
	}
	n, err := writeFile(u.ctx, u.root, dest, r, mode, u.bytes)
	u.bytes -= n
	if err != nil {
		return fmt.Errorf("entry %q: %w", name, err)
	}
	return nil
}

func (u *unpacker) mkdir(name string) error {
	dest, err := u.path(name)
	if err != nil {
		return err
	}
	return u.root.MkdirAll(dest, 0o755)
}

// symlink makes a link that stays inside the archive's own tree; the target is relative to the link's directory.
func (u *unpacker) symlink(name, target string) error {
	dest, err := u.path(name)
	if err != nil {
		return err
	}
	if filepath.IsAbs(target) || !filepath.IsLocal(filepath.Join(filepath.Dir(filepath.Clean(name)), target)) {
		return fmt.Errorf("entry %q: link to %q leaves the sandbox", name, target)
	}
	if err := u.root.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return err
	}
	return u.root.Symlink(target, dest)
}

func (u *unpacker) hardlink(name, target string) error {
	dest, err := u.path(name)
	if err != nil {
		return err
	}
	local, err := Local(target)
	if err != nil {
		return fmt.Errorf("entry %q: link to %w", name, err)
	}
	if err := u.root.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return err
	}
	return u.root.Link(filepath.Join(u.dir, local), dest)
}

func (u *unpacker) tar(tr *tar.Reader) error {
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := u.ctx.Err(); err != nil {
			return err
		}
		if err := u.tarEntry(tr, h); err != nil {
			return err
		}
	}
}

func (u *unpacker) tarEntry(tr *tar.Reader, h *tar.Header) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return u.mkdir(h.Name)
	case tar.TypeReg:
		return u.file(h.Name, tr, permissions(h.FileInfo().Mode()))
	case tar.TypeSymlink:
		return u.symlink(h.Name, h.Linkname)
	case tar.TypeLink:
		return u.hardlink(h.Name, h.Linkname)
	case tar.TypeXGlobalHeader:
		return nil
	}
	return fmt.Errorf("entry %q: type %q is not allowed", h.Name, h.Typeflag)
}

func (u *unpacker) zip(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	zr, err := zip.NewReader(f, info.Size())
	if err != nil {
		return err
	}
	for _, e := range zr.File {
		if err := u.zipEntry(e); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) zipEntry(e *zip.File) error {
	mode := e.Mode()
	if mode.IsDir() {
		return u.mkdir(e.Name)
	}
	r, err := e.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	switch {
	case mode.IsRegular():
		return u.file(e.Name, r, permissions(mode))
	case mode&os.ModeSymlink != 0:
		target, err := io.ReadAll(io.LimitReader(r, 4096))
		if err != nil {
			return err
		}
		return u.symlink(e.Name, string(target))
	}
	return fmt.Errorf("entry %q: type %s is not allowed", e.Name, mode.Type())
}

// permissions drops set-user-id and its kin, and keeps a file readable for its owner.
func permissions(m os.FileMode) os.FileMode { return m.Perm() | 0o600 }
