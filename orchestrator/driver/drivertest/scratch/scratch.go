// Package scratch makes images from nothing but files of our own, for tests on a real engine where none can be pulled.
package scratch

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// Image describes an image FROM scratch.
type Image struct {
	Tag        string
	Files      map[string]string // path in the image: file on this host; all become executable
	Entrypoint []string
}

// Engine returns a client for the engine, or skips the test when none answers. In CI a missing engine is a failure.
func Engine(t testing.TB) *client.Client {
	t.Helper()
	cli, err := Connect()
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no docker engine, and this is CI: %v", err)
		}
		t.Skipf("SKIPPED WITHOUT A DOCKER ENGINE: %v", err)
	}
	t.Cleanup(func() { cli.Close() })
	return cli
}

// Connect is Engine where there is no test yet.
func Connect() (*client.Client, error) {
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := cli.Ping(ctx); err != nil {
		cli.Close()
		return nil, err
	}
	return cli, nil
}

// Build builds the image. Nothing is downloaded.
func Build(ctx context.Context, cli *client.Client, im Image) error {
	archive, err := im.context()
	if err != nil {
		return fmt.Errorf("build image %s: %w", im.Tag, err)
	}
	resp, err := cli.ImageBuild(ctx, archive, build.ImageBuildOptions{Tags: []string{im.Tag}, Remove: true, ForceRemove: true})
	if err != nil {
		return fmt.Errorf("build image %s: %w", im.Tag, err)
	}
	defer resp.Body.Close()
	if err := buildResult(resp.Body); err != nil {
		return fmt.Errorf("build image %s: %w", im.Tag, err)
	}
	return nil
}

// Remove removes the image; one that is not there is no error.
func Remove(ctx context.Context, cli *client.Client, tag string) error {
	_, err := cli.ImageRemove(ctx, tag, image.RemoveOptions{Force: true, PruneChildren: true})
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	return err
}

func (im Image) context() (io.Reader, error) {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	entry, err := json.Marshal(im.Entrypoint)
	if err != nil {
		return nil, err
	}
	dockerfile := "FROM scratch\nCOPY root/ /\nENTRYPOINT " + string(entry) + "\n"
	if err := add(tw, "Dockerfile", 0o644, []byte(dockerfile)); err != nil {
		return nil, err
	}
	var paths []string
	for p := range im.Files {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, p := range paths {
		data, err := os.ReadFile(im.Files[p])
		if err != nil {
			return nil, err
		}
		if err := add(tw, "root/"+strings.TrimPrefix(p, "/"), 0o755, data); err != nil {
			return nil, err
		}
	}
	return &buf, tw.Close()
}

func add(tw *tar.Writer, name string, mode int64, data []byte) error {
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := tw.Write(data)
	return err
}

func buildResult(r io.Reader) error {
	dec := json.NewDecoder(r)
	for {
		var m struct {
			Error string `json:"error"`
		}
		err := dec.Decode(&m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if m.Error != "" {
			return errors.New(m.Error)
		}
	}
}
