package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"time"

	"berth/cmd/berth/dev"
	"berth/orchestrator/api"
	"berth/orchestrator/client"
)

// walk is what the steps know.
type walk struct {
	out  io.Writer
	sh   *shell
	c    *client.Client
	dir  string // where the apps' files are
	urls dev.URLs

	hostPort     int    // of test2
	servicePort6 int    // of test6
	noVIP        string // why there are no virtual addresses; "" if there are
}

// skipped is why a step cannot be shown on this machine.
type skipped string

func (s skipped) Error() string { return string(s) }

// all runs every step and returns the first thing that was not as it should be. Steps that this machine cannot show are
// told loudly, and counted.
func (w *walk) all(ctx context.Context) (left int, err error) {
	for i, s := range steps {
		fmt.Fprintf(w.out, "\n%d. %s\n   %s\n\n", i+1, s.title, s.about)
		err := s.run(ctx, w)
		var why skipped
		if errors.As(err, &why) {
			left++
			fmt.Fprintf(w.out, "  SKIPPED, NOT SHOWN: %s\n", why)
			continue
		}
		if err != nil {
			return left, fmt.Errorf("step %d, %s: %w", i+1, s.title, err)
		}
	}
	return left, nil
}

func (w *walk) file(name string) string { return filepath.Join(w.dir, name) }

// helloURL is where a browser finds test6 without any change to the machine.
func (w *walk) helloURL() string {
	u, err := url.Parse(w.urls.HTTP)
	if err != nil || u.Port() == "" {
		return "http://hello.localhost/"
	}
	return "http://hello.localhost:" + u.Port() + "/"
}

// tasks waits until the app has n running tasks and returns them.
func (w *walk) tasks(ctx context.Context, id string, n int) ([]api.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	for {
		tasks, err := w.c.Tasks(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("tasks of %s: %w", id, err)
		}
		running := tasks[:0]
		for _, t := range tasks {
			if t.State == api.TaskRunning {
				running = append(running, t)
			}
		}
		if len(running) == n {
			return running, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("tasks of %s: %d running, expected %d", id, len(running), n)
		case <-time.After(again):
		}
	}
}

func (w *walk) servicePort(ctx context.Context, id string) (int, error) {
	app, err := w.c.App(ctx, id)
	if err != nil {
		return 0, err
	}
	if app.Mode() == api.NetworkHost && len(app.PortDefinitions) > 0 {
		return app.PortDefinitions[0].Port, nil
	}
	if m := app.Mappings(); len(m) > 0 {
		return m[0].ServicePort, nil
	}
	return 0, fmt.Errorf("%s has no service port", id)
}

func ids(tasks []api.Task) []string {
	var out []string
	for _, t := range tasks {
		out = append(out, t.ID)
	}
	return out
}
