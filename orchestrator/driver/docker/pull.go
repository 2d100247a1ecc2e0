package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/go-units"

	"berth/orchestrator/driver"
)

// stageEvery spaces the progress messages of a pull: an engine sends hundreds a second.
const stageEvery = time.Second

// pull fetches the image if it is missing or the app insists.
func (d *Driver) pull(ctx context.Context, spec driver.Spec) error {
	name := spec.App.Image()
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return fmt.Errorf("image %q: %w", name, err)
	}
	if !spec.App.Container.Docker.ForcePullImage {
		_, err := d.cli.ImageInspect(ctx, name)
		if err == nil {
			return nil
		}
		if !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("look for image %s: %w", name, d.explain(err))
		}
	}
	registry := reference.Domain(ref)
	auth, source, err := findAuth(ctx, registry, d.authFiles(spec), d.configFile())
	if err != nil {
		return fmt.Errorf("pull image %s: %w", name, err)
	}
	d.stage(spec, "pulling image "+name)
	stream, err := d.cli.ImagePull(ctx, name, image.PullOptions{RegistryAuth: auth})
	if err != nil {
		return d.pullError(name, registry, source, err)
	}
	defer stream.Close()
	if err := d.followPull(spec, stream); err != nil {
		return d.pullError(name, registry, source, err)
	}
	return nil
}

// authFiles are where an app may have put credentials: fetching them into the sandbox is the old way.
func (d *Driver) authFiles(spec driver.Spec) []string {
	dir := filepath.Join(d.dir(spec.TaskID), sandboxDir)
	return []string{filepath.Join(dir, ".docker", "config.json"), filepath.Join(dir, ".dockercfg")}
}

// pullMessage is one line of the engine's answer to a pull.
type pullMessage struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Progress struct {
		Current int64 `json:"current"`
		Total   int64 `json:"total"`
	} `json:"progressDetail"`
	Error string `json:"error"`
}

// followPull reads the stream to its end, which is when the image is there, and reports now and then.
func (d *Driver) followPull(spec driver.Spec, r io.Reader) error {
	dec := json.NewDecoder(r)
	p := progress{layers: map[string]pullMessage{}}
	last := time.Now()
	for {
		var m pullMessage
		err := dec.Decode(&m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the engine's answer: %w", err)
		}
		if m.Error != "" {
			return errors.New(m.Error)
		}
		p.add(m)
		if time.Since(last) >= stageEvery {
			last = time.Now()
			d.stage(spec, "pulling image "+spec.App.Image()+p.String())
		}
	}
}

// progress sums up the layers of a pull.
type progress struct{ layers map[string]pullMessage }

func (p progress) add(m pullMessage) {
	if m.ID == "" || strings.HasPrefix(m.Status, "Pulling from") {
		return
	}
	p.layers[m.ID] = m
}

// String is ": 3 of 7 layers, 12 MB of 40 MB", or less when less is known.
func (p progress) String() string {
	done, current, total := 0, int64(0), int64(0)
	for _, m := range p.layers {
		switch m.Status {
		case "Pull complete", "Already exists":
			done++
		case "Downloading":
			current += m.Progress.Current
			total += m.Progress.Total
		}
	}
	if len(p.layers) == 0 {
		return ""
	}
	s := fmt.Sprintf(": %d of %d layers", done, len(p.layers))
	if total > 0 {
		s += fmt.Sprintf(", %s of %s", units.HumanSize(float64(current)), units.HumanSize(float64(total)))
	}
	return s
}

// pullError says "authentication" when that is it, and where the credentials would have come from.
func (d *Driver) pullError(image, registry, source string, err error) error {
	err = d.explain(err)
	text := strings.ToLower(err.Error())
	for _, sign := range []string{"unauthorized", "authentication required", "no basic auth credentials", "denied"} {
		if strings.Contains(text, sign) {
			if source == "" {
				return fmt.Errorf("pull image %s: authentication required: %w (no credentials for %s in %s)",
					image, err, registry, d.configFile())
			}
			return fmt.Errorf("pull image %s: authentication required: %w (credentials for %s from %s were refused)",
				image, err, registry, source)
		}
	}
	return fmt.Errorf("pull image %s: %w", image, err)
}
