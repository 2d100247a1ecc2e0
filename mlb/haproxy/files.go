package haproxy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/google/renameio/v2"

	"berth/mlb/render"
)

// configName is how the configuration is called in staging directories, whatever its name is at last.
const configName = "haproxy.cfg"

// mapName is what a map file may be called: it lies next to the configuration, never elsewhere.
var mapName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$`)

// stage writes out to a new directory below the run directory and returns it. In the configuration the paths of the maps
// point there, so a check looks at the maps that belong to it.
func (p Paths) stage(out render.Output) (string, error) {
	dir, err := os.MkdirTemp(p.Run, "check-")
	if err != nil {
		return "", fmt.Errorf("stage configuration: %w", err)
	}
	config := moved(out.Config(), p.Dir(), dir, out.Maps)
	for _, m := range out.Maps {
		if !mapName.MatchString(m.Name) {
			err = fmt.Errorf("map name %q: expected letters, digits, _ . -", shorten(m.Name))
			break
		}
		if err = os.WriteFile(filepath.Join(dir, m.Name), m.Data, 0o600); err != nil {
			break
		}
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, configName), config, 0o600)
	}
	if err != nil {
		return dir, fmt.Errorf("stage configuration: %w", err)
	}
	return dir, nil
}

// moved is a configuration whose maps lie in another directory. It is read once, however many maps there are: the text of
// thousands of apps is large.
func moved(config []byte, from, to string, maps []render.Map) []byte {
	dir := []byte(from + string(filepath.Separator))
	text := make([]byte, 0, len(config)+len(config)/64)
	for {
		at := bytes.Index(config, dir)
		if at < 0 {
			return append(text, config...)
		}
		rest := config[at+len(dir):]
		text = append(text, config[:at]...)
		if slices.ContainsFunc(maps, func(m render.Map) bool { return bytes.HasPrefix(rest, []byte(m.Name)) }) {
			text = append(append(text, to...), filepath.Separator)
		} else {
			text = append(text, dir...)
		}
		config = rest
	}
}

// install puts maps and then configuration in place, each by renaming a synced temporary file of the same directory. New
// files may be read by their owner alone: a configuration holds password hashes.
func (p Paths) install(config []byte, maps []render.Map) error {
	for _, m := range maps {
		if err := replace(filepath.Join(p.Dir(), m.Name), m.Data); err != nil {
			return err
		}
	}
	return replace(p.Config, config)
}

func replace(path string, data []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	err := renameio.WriteFile(path, data, 0o600, renameio.WithExistingPermissions())
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// ErrNoConfig means that there is no configuration on disk yet.
var ErrNoConfig = errors.New("no configuration on disk")

// Read returns the configuration on disk and the maps of the given names; maps that don't exist are left out.
func (p Paths) Read(maps []string) (render.Output, error) {
	config, err := os.ReadFile(p.Config)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(config) == 0 {
		return render.Output{}, ErrNoConfig
	}
	if err != nil {
		return render.Output{}, fmt.Errorf("read configuration: %w", err)
	}
	var found []render.Map
	for _, name := range maps {
		data, err := os.ReadFile(filepath.Join(p.Dir(), name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return render.Output{}, fmt.Errorf("read map: %w", err)
		}
		found = append(found, render.Map{Name: name, Data: data})
	}
	return render.Written(config, found), nil
}

// keepForeign sets a configuration aside that is not mlb's, such as the one a distribution installs, before it is replaced
// for the first time.
func (p Paths) keepForeign() error {
	old, err := os.ReadFile(p.Config)
	if err != nil || len(old) == 0 || markerIn(old) != "" {
		return nil
	}
	aside := p.Config + ".before-mlb"
	if _, err := os.Lstat(aside); err == nil {
		return nil
	}
	if err := renameio.WriteFile(aside, old, 0o600); err != nil {
		return fmt.Errorf("set the old configuration aside: %w", err)
	}
	return nil
}

// archive keeps the last n accepted configurations as <config>.1 (newest) to <config>.n, and their maps likewise.
func (p Paths) archive(n int, config []byte, maps []render.Map) error {
	files := map[string][]byte{p.Config: config}
	for _, m := range maps {
		files[filepath.Join(p.Dir(), m.Name)] = m.Data
	}
	for path, data := range files {
		if err := rotate(path, n, data); err != nil {
			return err
		}
	}
	return nil
}

func rotate(path string, n int, data []byte) error {
	if n <= 0 {
		return nil
	}
	numbered := func(i int) string { return path + "." + strconv.Itoa(i) }
	for i := n - 1; i >= 1; i-- {
		if err := os.Rename(numbered(i), numbered(i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("archive configuration: %w", err)
		}
	}
	if err := renameio.WriteFile(numbered(1), data, 0o600); err != nil {
		return fmt.Errorf("archive configuration: %w", err)
	}
	return nil
}
