package mlb

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a directory must be quiet before it is read: editors and mounts change several files in a row.
const settle = 100 * time.Millisecond

// watchTemplates asks for another pass whenever the template directory changes.
func (l *LB) watchTemplates(ctx context.Context) {
	for ctx.Err() == nil {
		err := watchDir(ctx, l.opt.TemplateDir, func() { l.nudge("templates changed") })
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

// watchDir calls changed after each burst of changes in dir. Directories are watched, never files, so files that are
// replaced by renaming count; the parent is watched as well, so that dir may be made later, or be a symbolic link that is
// turned to another directory.
func watchDir(ctx context.Context, dir string, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer w.Close()
	dir = filepath.Clean(dir)
	if err := w.Add(filepath.Dir(dir)); err != nil {
		return err
	}
	_ = w.Add(dir) // may not exist yet
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
			if e.Name == dir {
				_ = w.Remove(dir)
				_ = w.Add(dir)
			} else if filepath.Dir(e.Name) != dir {
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
