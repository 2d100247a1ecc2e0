package dnsd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// Limits of what is taken from a vip daemon.
const (
	maxVIPBody  = 64 << 20 // bytes
	maxVIPNames = 200_000
	maxVIPAddrs = 64  // of one name
	maxVIPName  = 253 // bytes
)

// vipZone is where names of virtual addresses are (vip.md section 2); no others are taken.
const vipZone = ".l4lb.thisdcos.directory"

// VIPOptions say where the names of virtual addresses come from.
type VIPOptions struct {
	// URL is the status address of this node's vip, whose /v2/names lists the names whose rules are in force.
	URL string
	// File keeps the names for the next start; "" keeps nothing. The rules outlive the daemons but not the machine, so names
	// are taken from the file only if Boot is what it was.
	File, Boot string
	Every      time.Duration // between two questions [250 ms]
	Client     *http.Client  // nil is one of its own
}

// vipFeed follows a vip daemon.
type vipFeed struct {
	d    *Daemon
	o    VIPOptions
	tag  string
	fail string // the last error, so that it is told once
}

// FollowVIPs serves the names of virtual addresses that a vip daemon lists, until ctx ends. While it does not answer, its
// names stay: the rules do.
func (d *Daemon) FollowVIPs(ctx context.Context, o VIPOptions) {
	if o.Every <= 0 {
		o.Every = 250 * time.Millisecond
	}
	if o.Client == nil {
		t := &http.Transport{MaxIdleConns: 1, IdleConnTimeout: time.Minute}
		defer t.CloseIdleConnections()
		o.Client = &http.Client{Transport: t, Timeout: 10 * time.Second}
	}
	f := &vipFeed{d: d, o: o}
	f.load()
	tick := time.NewTicker(o.Every)
	defer tick.Stop()
	for {
		f.step(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// step asks once.
func (f *vipFeed) step(ctx context.Context) {
	names, tag, err := f.ask(ctx)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		if text := err.Error(); text != f.fail {
			f.fail = text
			f.d.log.Warn("names of virtual addresses stay as they were", "err", err)
		}
		return
	}
	if f.fail != "" {
		f.fail = ""
		f.d.log.Info("vip answers again")
	}
	if tag != "" && tag == f.tag {
		return
	}
	f.tag = tag
	good, bad := checkedVIPs(names)
	if bad != "" {
		f.d.log.Warn("a name of virtual addresses is left out", "why", bad)
	}
	f.d.SetVIPs(good)
	f.save(good)
}

// vipNames is the answer of /v2/names.
type vipNames struct {
	Names map[string][]string `json:"names"`
}

// ask returns the names with their tag. If the tag is the last one, there are none, as nothing has changed.
func (f *vipFeed) ask(ctx context.Context) (map[string][]string, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(f.o.URL, "/")+"/v2/names", nil)
	if err != nil {
		return nil, "", err
	}
	if f.tag != "" {
		req.Header.Set("If-None-Match", f.tag)
	}
	resp, err := f.o.Client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && f.tag != "" {
		return nil, f.tag, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxVIPBody+1))
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("read names of virtual addresses: %w", err)
	case resp.StatusCode != http.StatusOK:
		return nil, "", fmt.Errorf("read names of virtual addresses: %s: %.200s", resp.Status, body)
	case len(body) > maxVIPBody:
		return nil, "", fmt.Errorf("read names of virtual addresses: more than %d bytes", maxVIPBody)
	}
	var v vipNames
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, "", fmt.Errorf("read names of virtual addresses: %w", err)
	}
	if v.Names == nil || len(v.Names) > maxVIPNames {
		return nil, "", fmt.Errorf(`read names of virtual addresses: expected {"names":{…}} with at most %d names, got %d`, maxVIPNames, len(v.Names))
	}
	return v.Names, resp.Header.Get("ETag"), nil
}

// checkedVIPs leaves out what cannot be a virtual address's name, and says why about one of them.
func checkedVIPs(names map[string][]string) (good map[string][]netip.Addr, bad string) {
	good = make(map[string][]netip.Addr, len(names))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		addrs, err := vipAddrs(names[name])
		low := strings.ToLower(strings.TrimSuffix(name, "."))
		switch {
		case !strings.HasSuffix(low, vipZone) || len(low) > maxVIPName || len(low) == len(vipZone):
			bad = fmt.Sprintf("%.100q: expected a name below l4lb.thisdcos.directory", name)
		case err != nil:
			bad = fmt.Sprintf("%.100q: %v", name, err)
		default:
			good[low] = addrs
		}
	}
	return good, bad
}

func vipAddrs(list []string) ([]netip.Addr, error) {
	if len(list) == 0 || len(list) > maxVIPAddrs {
		return nil, fmt.Errorf("%d addresses, expected 1 to %d", len(list), maxVIPAddrs)
	}
	out := make([]netip.Addr, len(list))
	for i, s := range list {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() {
			return nil, fmt.Errorf("address %.50q: expected an IP address of one host", s)
		}
		out[i] = a.Unmap()
	}
	return out, nil
}

// savedVIPs is the file.
type savedVIPs struct {
	Boot  string                  `json:"boot"`
	Names map[string][]netip.Addr `json:"names"`
}

func (f *vipFeed) save(names map[string][]netip.Addr) {
	if f.o.File == "" {
		return
	}
	text, err := json.Marshal(savedVIPs{f.o.Boot, names})
	if err == nil {
		err = renameio.WriteFile(f.o.File, text, 0o600)
	}
	if err != nil {
		f.d.log.Warn("keep names of virtual addresses for the next start", "err", err)
	}
}

// load takes the names of the last run, unless the machine was started anew since.
func (f *vipFeed) load() {
	if f.o.File == "" {
		return
	}
	text, err := os.ReadFile(f.o.File)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	var v savedVIPs
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		f.d.log.Warn("names of virtual addresses of the last run", "err", err)
		return
	}
	if v.Boot != f.o.Boot || v.Boot == "" {
		return
	}
	f.d.SetVIPs(v.Names)
}
