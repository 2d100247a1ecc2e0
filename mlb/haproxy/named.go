package haproxy

import (
	"bytes"
	"os"
	"strings"
)

// fileWords are the words after which a line of a configuration names a file that HAProxy reads when it starts.
var fileWords = map[string]bool{
	"crt": true, "crt-list": true, "ca-file": true, "ca-verify-file": true, "crl-file": true,
}

// unquote takes away what HAProxy takes away when it reads a word; what it would not makes no name of a file.
var unquote = strings.NewReplacer(`"`, "", "'", "", `\`, "")

// endless finds the files that HAProxy would wait for, or read for ever: named pipes, devices and sockets. Where a file is
// missing, HAProxy itself says so.
func endless(config []byte) []Reason {
	var reasons []Reason
	var sections []section
	n := 0
	for line := range bytes.Lines(config) {
		n++
		if !bytes.Contains(line, []byte("crt")) && !bytes.Contains(line, []byte("ca-")) && !bytes.Contains(line, []byte("crl-")) {
			continue
		}
		words := strings.Fields(string(line))
		for i := 0; i+1 < len(words); i++ {
			if !fileWords[unquote.Replace(words[i])] {
				continue
			}
			file := unquote.Replace(words[i+1])
			if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
				if sections == nil {
					sections = scanSections(config)
				}
				reasons = append(reasons, Reason{File: configName, Line: n, Section: sectionAt(sections, n),
					Message: shorten(file) + " is neither a file nor a directory"})
			}
		}
	}
	return reasons
}
