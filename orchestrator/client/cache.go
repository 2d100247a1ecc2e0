package client

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"berth/orchestrator/api"
)

const (
	cacheFormat  = 1
	cacheEvery   = time.Second // at most so often
	cacheShare   = 20          // and so that writing takes at most one part in so many of the time
	cacheMaxSize = 256 << 20
)

// saved is what the cache file holds: the last snapshot, and the verdicts on tasks that had left it.
//
//	{"format":1,"time":"…","source":"http://…","verdicts":{"<task>":[{"alive":true,…}]},"apps":[{…},…]}
type saved struct {
	at       time.Time
	source   string
	apps     []*api.AppInfo
	verdicts map[string][]api.HealthResult
}

type savedHead struct {
	Format   int                           `json:"format"`
	Time     time.Time                     `json:"time"`
	Source   string                        `json:"source"`
	Verdicts map[string][]api.HealthResult `json:"verdicts"`
}

// save replaces the file; it is readable by its owner alone, because definitions may hold secrets.
func save(file string, s saved) error {
	f, err := renameio.NewPendingFile(file, renameio.WithTempDir(filepath.Dir(file)),
		renameio.WithStaticPermissions(0o600))
	if err != nil {
		return fmt.Errorf("save the last snapshot: %w", err)
	}
	defer f.Cleanup() //nolint:errcheck // nothing is left after a replacement
	w := bufio.NewWriterSize(f, 256<<10)
	err = encode(&capped{w: w, left: cacheMaxSize}, s)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.CloseAtomicallyReplace()
	}
	if err != nil {
		return fmt.Errorf("save the last snapshot: %w", err)
	}
	return nil
}

// encode writes app by app, so that the whole text is never in memory.
func encode(w io.Writer, s saved) error {
	head, err := json.Marshal(savedHead{cacheFormat, s.at, s.source, s.verdicts})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, `%s,"apps":[`, head[:len(head)-1]); err != nil {
		return err
	}
	sep := "\n"
	for _, a := range s.apps {
		text, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("app %s: %w", a.ID, err)
		}
		if _, err := fmt.Fprintf(w, "%s%s", sep, text); err != nil {
			return err
		}
		sep = ",\n"
	}
	_, err = io.WriteString(w, "\n]}\n")
	return err
}

// load reads the file. A file that is missing, too large, cut or otherwise damaged is an error.
func load(file string) (saved, error) {
	f, err := os.Open(file)
	if err != nil {
		return saved{}, err
	}
	defer f.Close()
	return decodeSaved(io.LimitReader(f, cacheMaxSize))
}

func decodeSaved(r io.Reader) (saved, error) {
	var v struct {
		savedHead
		Apps []json.RawMessage `json:"apps"`
	}
	if err := json.NewDecoder(r).Decode(&v); err != nil {
		return saved{}, fmt.Errorf("decode the last snapshot: %w", err)
	}
	if v.Format != cacheFormat {
		return saved{}, fmt.Errorf("decode the last snapshot: format %d, expected %d", v.Format, cacheFormat)
	}
	s := saved{at: v.Time, source: v.Source, verdicts: v.Verdicts}
	for i, raw := range v.Apps {
		it := readItem(raw, nil, fmt.Sprintf("apps(%d)", i))
		if it.problem != "" {
			return saved{}, fmt.Errorf("decode the last snapshot: app %s: %s", it.id, it.problem)
		}
		s.apps = append(s.apps, it.app)
	}
	return s, nil
}

// capped fails rather than write more than left bytes.
type capped struct {
	w    io.Writer
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		return 0, fmt.Errorf("more than %d bytes", cacheMaxSize)
	}
	return c.w.Write(p)
}
