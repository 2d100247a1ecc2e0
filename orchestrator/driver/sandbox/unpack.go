package sandbox

import (
	"archive/tar"
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

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
