package haproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Version is HAProxy's version number.
type Version struct{ Major, Minor, Patch int }

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// AtLeast says whether v is major.minor or newer.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// oldest supported version: the first that hands listeners over by itself and adds servers at run time.
const oldestMajor, oldestMinor = 2, 6

// Binary is an installed HAProxy.
type Binary struct {
	Path     string
	Version  Version
	Features map[string]bool // compile-time features by name, such as OPENSSL, PROMEX
}

// ErrNoBinary means that no HAProxy is installed.
var ErrNoBinary = errors.New("no haproxy found")

// Find looks for HAProxy at path, or in PATH when path is empty, and asks it for its version and features. It fails with
// ErrNoBinary when there is none, and for versions older than 2.6.
func Find(ctx context.Context, path string) (*Binary, error) {
	name := path
	if name == "" {
		name = "haproxy"
	}
	found, err := exec.LookPath(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %v (install it with \"apt-get install haproxy\", or name it with --haproxy-binary)",
			ErrNoBinary, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, found, "-vv").Output()
	if err != nil {
		return nil, fmt.Errorf("ask %s for its version: %w", found, err)
	}
	b, err := parseVersion(string(out))
	if err != nil {
		return nil, fmt.Errorf("ask %s for its version: %w", found, err)
	}
	b.Path = found
	if !b.Version.AtLeast(oldestMajor, oldestMinor) {
		return nil, fmt.Errorf("%s is HAProxy %s: expected %d.%d or newer", found, b.Version, oldestMajor, oldestMinor)
	}
	return b, nil
}

var versionLine = regexp.MustCompile(`(?m)^HA-?Proxy version (\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?`)

// parseVersion reads the output of "haproxy -vv":
//
//	HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/
//	Feature list : -51DEGREES +ACCEPT4 +BACKTRACE …
func parseVersion(text string) (*Binary, error) {
	m := versionLine.FindStringSubmatch(text)
	if m == nil {
		first, _, _ := strings.Cut(text, "\n")
		return nil, fmt.Errorf("unexpected answer %q", shorten(first))
	}
	b := &Binary{Features: map[string]bool{}}
	for i, p := range []*int{&b.Version.Major, &b.Version.Minor, &b.Version.Patch} {
		*p, _ = strconv.Atoi(m[i+1]) // at most four digits, or none
	}
	for line := range strings.Lines(text) {
		list, ok := strings.CutPrefix(line, "Feature list :")
		if !ok {
			continue
		}
		for _, f := range strings.Fields(list) {
			b.Features[f[1:]] = f[0] == '+'
		}
	}
	return b, nil
}

// shorten makes a foreign text fit for a message.
func shorten(s string) string {
	const limit = 300
	s = string(bytes.ToValidUTF8([]byte(s), []byte("?")))
	if len(s) > limit {
		s = s[:limit] + "…"
	}
	return s
}
