package orchestratord

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

// clusterFile, in the data directory, holds the name that a daemon without --cluster chose when it first started.
const clusterFile = "cluster"

// named returns c with a cluster name. One that was not given is drawn at random once and kept with the state: daemons on
// one Docker engine take each other's tasks for strays only if somebody names them alike on purpose.
func (c Config) named() (Config, error) {
	if c.Cluster != "" {
		return c, nil
	}
	path := filepath.Join(c.Data, clusterFile)
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		c.Cluster = strings.TrimSpace(string(text))
		if !clusterName.MatchString(c.Cluster) {
			return c, fmt.Errorf("%s: cluster name %q: expected 1 to 63 letters, digits, dots, hyphens and underscores; "+
				"repair it, or name the cluster with --cluster", path, c.Cluster)
		}
		return c, nil
	case !errors.Is(err, fs.ErrNotExist):
		return c, fmt.Errorf("cluster name: %w", err)
	}
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		return c, fmt.Errorf("cluster name: %w", err)
	}
	c.Cluster = "berth-" + hex.EncodeToString(random[:])
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return c, fmt.Errorf("data directory: %w", err)
	}
	if err := renameio.WriteFile(path, []byte(c.Cluster+"\n"), 0o600); err != nil {
		return c, fmt.Errorf("cluster name: %w", err)
	}
	return c, nil
}
