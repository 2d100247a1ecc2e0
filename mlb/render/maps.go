package render

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"

	"berth/mlb/model"
)

// mapCache keeps the map files of the last model: most changes leave them as they are.
type mapCache struct {
	hosts   []model.HostRoute
	apps    []model.AppRoute
	leftOut map[string]bool
	noApps  map[string]bool
	files   []Map
	digest  [32]byte // of files
}

// sum adds the maps to the summary of the configuration. Those of the cache are not read again.
func (c *mapCache) sum(config []byte, maps []Map) string {
	h := sha256.New()
	h.Write(config)
	h.Write(c.digest[:])
	for _, m := range maps {
		if !slices.ContainsFunc(c.files, func(f Map) bool { return f.Name == m.Name }) {
			writeMap(h, m)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func writeMap(w io.Writer, m Map) {
	fmt.Fprintf(w, "%s %d\n", m.Name, len(m.Data))
	_, _ = w.Write(m.Data) // into a hash, which takes everything
}

// mapFiles writes the routes of all services that have a backend and no rules of their own.
func (r *Renderer) mapFiles(m *model.Model, missing map[string]bool, own *ownRules) []Map {
	leftOut, noApps := maps.Clone(missing), maps.Clone(missing)
	maps.Copy(leftOut, own.services)
	maps.Copy(noApps, own.apps)
	c := &r.maps
	stored := spareMaps(m)
	if own.cells != nil {
		stored = append(slices.Clone(stored), Map{OwnMap, own.cells})
	}
	if c.files != nil && same(c.hosts, own.hosts) && same(c.apps, m.AppIDs) && maps.Equal(c.leftOut, leftOut) &&
		maps.Equal(c.noApps, noApps) {
		return joinMaps(c.files, stored)
	}
	var domains, paths, redirects, apps bytes.Buffer
	for i, b := range []*bytes.Buffer{&apps, &domains, &paths, &redirects} { // in the order of files: mostly a little changes
		if c.files != nil {
			b.Grow(len(c.files[i].Data) + 256)
		}
	}
	*c = mapCache{hosts: own.hosts, apps: m.AppIDs, leftOut: leftOut, noApps: noApps}
	redirected := make(map[string]bool)
	for _, h := range own.hosts {
		if leftOut[h.Backend] {
			continue
		}
		if h.Path == "" {
			line(&domains, h.Host, h.Backend)
		} else {
			line(&paths, h.Host+h.Path, h.Backend)
		}
		if h.RedirectToHTTPS {
			redirected[h.Backend] = true
		}
	}
	for _, s := range m.Services {
		if redirected[s.Name] {
			line(&redirects, s.Name, "https")
		}
	}
	for _, a := range m.AppIDs {
		if !noApps[a.Backend] {
			line(&apps, a.App, a.Backend)
		}
	}
	c.files = []Map{
		{AppMap, apps.Bytes()},
		{DomainMap, domains.Bytes()},
		{PathMap, paths.Bytes()},
		{RedirectMap, redirects.Bytes()},
	}
	h := sha256.New()
	for _, f := range c.files {
		writeMap(h, f)
	}
	h.Sum(c.digest[:0])
	return joinMaps(c.files, stored)
}

func line(b *bytes.Buffer, key, value string) {
	b.WriteString(key)
	b.WriteByte(' ')
	b.WriteString(value)
	b.WriteByte('\n')
}

// same reports whether two lists are the same memory.
func same[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
