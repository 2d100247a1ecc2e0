// Package certs looks at the certificate files that a configuration names, finds out which of them changed, and writes the
// Runtime API commands that put the new ones in place.
//
//	configuration → Named → Scan (files) → Diff(have, want) → plan.Command → HAProxy, without a reload
package certs

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	maxFiles = 10000   // in all directories together
	maxFile  = 1 << 20 // bytes
)

// File is one certificate with its key, as it was found.
type File struct {
	Sum  [32]byte // of the text
	Text []byte   // PEM blocks without what lies between them, which the Runtime API takes
	Dir  string   // directory by which the configuration names it, "" when it names the file
	// Companions says that more files belong to it, such as .key or .ocsp: HAProxy reads these only at a reload.
	Companions bool
}

// Set is what was found, by path as HAProxy knows it.
type Set struct {
	Files map[string]File
	Bad   map[string]error // files and directories that HAProxy could not use
}

// Named lists the certificate files and directories of a configuration, sorted: what follows crt on its bind lines, and the
// first word of each line of the lists that follow crt-list, which read returns.
func Named(config []byte, read func(file string) []byte) []string {
	var found []string
	for line := range bytes.Lines(config) {
		if !bytes.Contains(line, []byte("crt")) {
			continue
		}
		words := strings.Fields(string(line))
		if len(words) == 0 || words[0] != "bind" {
			continue
		}
		for i := 1; i+1 < len(words); i++ {
			switch words[i] {
			case "crt":
				found = append(found, words[i+1])
			case "crt-list":
				found = append(found, listed(read(words[i+1]))...)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// listed reads the files out of a crt-list (manual section 5.1): "/path [options] filter…".
func listed(list []byte) []string {
	var found []string
	for line := range strings.Lines(string(list)) {
		if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") {
			found = append(found, words[0])
		}
	}
	return found
}

// Scan reads the files.
func Scan(named []string) Set {
	s := Set{Files: map[string]File{}, Bad: map[string]error{}}
	for _, path := range named {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			s.Bad[path] = err
		case info.IsDir():
			s.dir(path)
		case !info.Mode().IsRegular():
			s.Bad[path] = errNotRegular
		default:
			s.file(path, "")
		}
	}
	return s
}

// dir reads a directory as HAProxy does: hidden files and companions of others are passed over.
func (s *Set) dir(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.Bad[dir] = err
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(e.Name(), ".") ||
			slices.Contains(companions, filepath.Ext(path)) {
			continue
		}
		if len(s.Files) == maxFiles {
			s.Bad[dir] = fmt.Errorf("expected at most %d certificates in all", maxFiles)
			return
		}
		s.file(path, dir)
	}
}

// companions of a certificate (manual section 3.1, ssl-load-extra-files).
var companions = []string{".key", ".ocsp", ".issuer", ".sctl", ".dh"}

func (s *Set) file(path, dir string) {
	f, err := load(path)
	if err != nil {
		s.Bad[path] = err
		return
	}
	f.Dir = dir
	s.Files[path] = f
}

// Check says why the certificate in a file, with its key there or in a companion, could not be used.
func Check(path string) error {
	_, err := load(path)
	return err
}

func load(path string) (File, error) {
	text, err := readFile(path)
	if err != nil {
		return File{}, err
	}
	f := File{Text: blocks(text)}
	key := text
	sum := sha256.New()
	sum.Write(text)
	for _, ext := range companions {
		more, err := readFile(path + ext)
		if err != nil {
			continue
		}
		f.Companions = true
		sum.Write(more)
		if ext == ".key" {
			key = more
		}
	}
	if _, err := tls.X509KeyPair(text, key); err != nil {
		return File{}, err
	}
	sum.Sum(f.Sum[:0])
	return f, nil
}

var errNotRegular = errors.New("expected a regular file or a directory")

// readFile reads a regular file of at most maxFile bytes. The path may be an app's: a device would never end, and a named
// pipe would be waited for at open(2) already if it were not opened without blocking.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, cmp.Or(err, errNotRegular)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = errors.New("expected at most 1 MiB")
	}
	return text, err
}

// blocks are the PEM blocks of a text, one after the other.
func blocks(text []byte) []byte {
	var b bytes.Buffer
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return b.Bytes()
		}
		block.Headers = nil // an empty line follows them, which would end a payload
		_ = pem.Encode(&b, block)
	}
}

// Dirs are the directories in which something can happen to what was named, sorted.
func Dirs(named []string) []string {
	var dirs []string
	for _, path := range named {
		dirs = append(dirs, filepath.Dir(path))
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			dirs = append(dirs, path)
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}
