package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/docker/docker/api/types/container"

	"berth/orchestrator/driver/sandbox"
)

// upload puts what lies in a local directory into the sandbox of a container that was created on another host, and gives
// the sandbox the directory's mode.
func (d *Driver) upload(ctx context.Context, containerID, dir string) error {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(pack(w, dir, path.Base(sandbox.MountPath))) // nil is the end of the archive
	}()
	// Into the directory above: the engine leaves the mode of the directory that it extracts to alone.
	err := d.cli.CopyToContainer(ctx, containerID, path.Dir(sandbox.MountPath), r, container.CopyToContainerOptions{})
	_ = r.Close() // ends a pack that nobody reads any more
	<-done
	if err != nil {
		return fmt.Errorf("fill the sandbox: %w", d.explain(err))
	}
	return nil
}

// pack writes dir, under the given name, and everything in it as a tar archive owned by root.
func pack(w io.Writer, dir, as string) error {
	tw := tar.NewWriter(w)
	err := filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		return packOne(tw, file, path.Join(as, filepath.ToSlash(name)), e)
	})
	return errors.Join(err, tw.Close())
}

func packOne(tw *tar.Writer, file, name string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(file); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	h.Name, h.Uid, h.Gid, h.Uname, h.Gname = name, 0, 0, "", ""
	if info.IsDir() {
		h.Name += "/"
	}
	if err := tw.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return errors.Join(err, f.Close())
}
