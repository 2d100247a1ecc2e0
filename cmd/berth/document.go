package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"berth/cmd/internal/cli"
)

// maxDocument is the most a file or stdin may hold: the API takes 1 MiB for one app, a list may hold many.
const maxDocument = 16 << 20

// document is one JSON object of a file, as text.
type document struct {
	name string // the file, with the position in its list
	data []byte
}

// readDocuments reads each file, "-" being stdin, and takes lists apart.
func readDocuments(stdin io.Reader, files []string) ([]document, error) {
	var out []document
	for _, f := range files {
		docs, err := readFile(stdin, f)
		if err != nil {
			return nil, cli.UsageError{Err: err}
		}
		out = append(out, docs...)
	}
	return out, nil
}

func readFile(stdin io.Reader, file string) ([]document, error) {
	name, from := file, stdin
	if file == "-" {
		name = "stdin"
	} else {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxDocument {
		return nil, fmt.Errorf("read %s: more than %d MiB", name, maxDocument>>20)
	}
	return splitDocument(name, data)
}

// splitDocument checks that data is a JSON object, or takes a list of objects apart.
func splitDocument(name string, data []byte) ([]document, error) {
	data = bytes.TrimSpace(data)
	if len(data) == 0 {
		return nil, fmt.Errorf("read %s: empty, %w", name, errNoDocument)
	}
	if data[0] == '{' {
		if err := syntax(data); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		return []document{{name, data}}, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", name, errNoDocument, located(data, err))
	}
	var out []document
	for i, e := range list {
		if len(e) == 0 || e[0] != '{' {
			return nil, fmt.Errorf("read %s: element %d: %w", name, i, errNoDocument)
		}
		out = append(out, document{fmt.Sprintf("%s(%d)", name, i), e})
	}
	return out, nil
}

func syntax(data []byte) error {
	var v json.RawMessage
	return located(data, json.Unmarshal(data, &v))
}

// located adds line and column to a JSON syntax error.
func located(data []byte, err error) error {
	s, ok := err.(*json.SyntaxError)
	if !ok {
		return err
	}
	before := data[:min(int(s.Offset), len(data))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - (bytes.LastIndexByte(before, '\n') + 1)
	return fmt.Errorf("line %d, column %d: %w", line, max(column, 1), err)
}
