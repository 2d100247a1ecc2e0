package mlb

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a directory must be quiet before it is read: editors and mounts change several files in a row.
const settle = 100 * time.Millisecond

// watchTemplates asks for another pass whenever the template directory changes.
func (l *LB) watchTemplates(ctx context.Context) {
	for ctx.Err() == nil {
		err := watchAny(ctx, []string{l.opt.TemplateDir}, func() { l.nudge("templates changed") })
		if ctx.Err() != nil {
			return
		}
		l.log.Error("template directory not watched", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
		}
	}
}

// nudge asks the loop for another pass.
func (l *LB) nudge(reason string) {
	select {
	case l.redo <- reason:
	default:
	}
}

// watchAny calls changed after each burst of changes to the files or directories of paths. What is watched are the paths
// and their parents, never a file alone: so files that are replaced by renaming count, directories that are made later, and
// symbolic links that are turned to another place.
func watchAny(ctx context.Context, paths []string, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer w.Close()
	paths = slices.Clone(paths)
	for i, p := range paths {
		if paths[i], err = filepath.Abs(p); err != nil { // events name what was watched
			return err
		}
		if err := w.Add(filepath.Dir(paths[i])); err != nil {
			return err
		}
		_ = w.Add(paths[i]) // may not exist yet
	}
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-w.Events:
			if !ok {
				return fsnotify.ErrClosed
			}
			switch {
			case slices.Contains(paths, e.Name): // may be another one by now
				_ = w.Remove(e.Name)
				_ = w.Add(e.Name)
			case slices.Contains(paths, filepath.Dir(e.Name)), filepath.Base(e.Name) == "..data":
			default:
				continue // a neighbour
			}
			quiet.Reset(settle)
		case err := <-w.Errors:
			return err
		case <-quiet.C:
			changed()
		}
	}
}
