package haproxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"

	"berth/mlb/render"
)

// Hash identifies what HAProxy shall run: the configuration and its maps.
func Hash(out render.Output) string {
	h := sha256.New()
	part := func(name string, data []byte) {
		h.Write([]byte(name + " " + strconv.Itoa(len(data)) + "\n"))
		h.Write(data)
	}
	part("config", out.Config)
	for _, m := range out.Maps {
		part(m.Name, m.Data)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// stamped returns the configuration with its hash written into it, where a worker shows it again: as the description of
// "show info". It is the last line (HAProxy takes several global sections, and the last description), so line numbers stay
// what the templates' author sees. A description the templates gave is kept in front.
func stamped(out render.Output, hash string) []byte {
	var b bytes.Buffer
	b.Write(out.Config)
	if n := len(out.Config); n > 0 && out.Config[n-1] != '\n' {
		b.WriteByte('\n')
	}
	b.WriteString("\n# which text this is: a worker repeats it in \"show info\"\nglobal\n    description ")
	if d := description(out.Config); d != "" {
		b.WriteString(d + " ")
	}
	b.WriteString(stampPrefix + hash + "\n")
	return b.Bytes()
}

const stampPrefix = "mlb-"

var (
	stampPattern       = regexp.MustCompile(`(?:^|\s)` + stampPrefix + `([0-9a-f]{16})$`)
	descriptionPattern = regexp.MustCompile(`(?m)^\s*description[ \t]+(.+?)[ \t]*$`)
)

// description returns the description a global section gives; the keyword also exists in proxies, where it ends up on the
// statistics page only, so only sections called global count.
func description(config []byte) string {
	start := 0
	if !bytes.HasPrefix(config, []byte("global\n")) {
		if start = bytes.Index(config, []byte("\nglobal\n")) + 1; start == 0 {
			return ""
		}
	}
	section := config[start+len("global\n"):]
	if end := nextSection.FindIndex(section); end != nil {
		section = section[:end[0]]
	}
	if m := descriptionPattern.FindSubmatch(section); m != nil {
		return string(m[1])
	}
	return ""
}

var nextSection = regexp.MustCompile(`(?m)^[a-z]`)

// stampOf reads the hash out of a worker's description, "" if there is none.
func stampOf(description string) string {
	if m := stampPattern.FindStringSubmatch(strings.TrimSpace(description)); m != nil {
		return m[1]
	}
	return ""
}

// lastGlobal returns the last global section of a configuration: where stamped puts the stamp.
func lastGlobal(config []byte) []byte {
	if i := bytes.LastIndex(config, []byte("\nglobal\n")); i >= 0 {
		return config[i+1:]
	}
	return config
}
