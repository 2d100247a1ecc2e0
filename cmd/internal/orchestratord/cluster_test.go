package orchestratord

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestClusterNameIsDrawnOnceAndKept(t *testing.T) {
	c := DefaultConfig()
	c.Data = filepath.Join(t.TempDir(), "data")
	first, err := c.named()
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.named()
	if err != nil || first.Cluster != second.Cluster || !clusterName.MatchString(first.Cluster) {
		t.Errorf("drawn %q, then %q, %v", first.Cluster, second.Cluster, err)
	}
	other := DefaultConfig()
	other.Data = t.TempDir()
	if o, err := other.named(); err != nil || o.Cluster == first.Cluster {
		t.Errorf("another data directory: %q, %v", o.Cluster, err)
	}
	c.Cluster = "given"
	if g, err := c.named(); err != nil || g.Cluster != "given" {
		t.Errorf("a given name: %q, %v", g.Cluster, err)
	}
}

func TestDamagedClusterNameIsRefused(t *testing.T) {
	c := DefaultConfig()
	c.Data = t.TempDir()
	path := filepath.Join(c.Data, clusterFile)
	if err := os.WriteFile(path, []byte("a b\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.named(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v does not name %s", err, path)
	}
}
