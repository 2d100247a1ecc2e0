package sandbox

import (
	"archive/tar"
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
