package haproxy

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"

	"berth/mlb/render"
)

// Hash identifies what HAProxy shall do: the configuration and its maps. For what was rendered it is the sum of the parts,
// which costs next to nothing; for files that were read it is that of their bytes. So the two of one configuration differ:
// see HAProxy.Does.
func Hash(out render.Output) string {
	if out.Sum != "" {
		return out.Sum
	}
	return fromFiles + bytesHash(out)
}

// fromFiles begins a hash of bytes.
const fromFiles = "files:"

func bytesHash(out render.Output) string {
	h := sha256.New()
	part := func(name string, data []byte) {
		h.Write([]byte(name + " " + strconv.Itoa(len(data)) + "\n"))
		h.Write(data)
	}
	part("config", out.Config())
	for _, m := range out.Maps {
		part(m.Name, m.Data)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

var (
	markerLine = regexp.MustCompile(`(?m)^[ \t]*description[ \t]+(mlb:[0-9a-f]{16})[ \t]*$`)
	markerText = regexp.MustCompile(`^mlb:[0-9a-f]{16}$`)
)

// markerIn returns the marker that render wrote into a configuration, and that a worker started with it shows as the
// description of "show info"; "" when there is none. The last description counts, for HAProxy as well.
func markerIn(config []byte) string {
	all := markerLine.FindAllSubmatch(config, -1)
	if len(all) == 0 {
		return ""
	}
	return string(all[len(all)-1][1])
}

// markerOf reads the marker out of a worker's description, "" if it is something else.
func markerOf(description string) string {
	if d := strings.TrimSpace(description); markerText.MatchString(d) {
		return d
	}
	return ""
}
