package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Limits of a document.
const (
	// MaxDocument is the largest document that is read, in bytes. It guards this package's own callers; the HTTP
	// layer has a lower limit of its own, 1 MiB by default.
	MaxDocument = 8 << 20
	// MaxDepth is how deep objects and lists may be nested.
	MaxDepth = 64
)

type kind int

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

func (k kind) String() string {
	return [...]string{"null", "true or false", "a number", "a string", "a list", "an object"}[k]
}

// node is a JSON value as it was written: numbers keep their text, members their order.
type node struct {
	kind  kind
	truth bool
	text  string   // of a number or a string
	names []string // of an object's members; a name given twice stands once, with the last value
	items []node   // of a list or an object
}

// member returns the value of a member that is present and not null.
func (n *node) member(name string) (*node, bool) {
	for i, s := range n.names {
		if s == name && n.items[i].kind != null {
			return &n.items[i], true
		}
	}
	return nil, false
}

// errTooDeep is found while reading; where is not worth the bookkeeping.
var errTooDeep = fmt.Errorf("nested deeper than %d levels", MaxDepth)

// parseTree reads one JSON document. repeated holds the names given more than once in one object; the last value
// counts, as it does in Marathon.
func parseTree(data []byte) (root node, repeated []string, err error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	switch {
	case len(data) > MaxDocument:
		return node{}, nil, &Error{Code: CodeTooLarge,
			Message: fmt.Sprintf("the document has %d bytes, the limit is %d", len(data), MaxDocument)}
	case !utf8.Valid(data):
		return node{}, nil, malformed("the document is not valid UTF-8")
	}
	return readTree(data, false)
}

// readTree reads a document without a limit of size. A lenient reader puts null in the place of what lies too deep.
func readTree(data []byte, lenient bool) (root node, repeated []string, err error) {
	if err := checkSyntax(data); err != nil {
		return node{}, nil, err
	}
	r := reader{dec: json.NewDecoder(bytes.NewReader(data)), lenient: lenient}
	r.dec.UseNumber()
	root, err = r.value(0)
	if err != nil {
		return node{}, nil, refuseTree(err)
	}
	return root, r.repeated, nil
}

// checkSyntax finds everything that makes data no JSON document, text after its end included.
func checkSyntax(data []byte) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return malformed("the document is empty, expected JSON")
	}
	var raw json.RawMessage
	err := json.Unmarshal(data, &raw)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return malformed(position(data, syntax.Offset) + syntax.Error())
	case err != nil:
		return malformed(err.Error())
	}
	return nil
}

func malformed(parserText string) error {
	return &Error{Code: CodeMalformed, Message: messageInvalidJSON, ParserText: parserText}
}

// position names line and column of the byte before offset.
func position(data []byte, offset int64) string {
	before := data[:min(max(offset-1, 0), int64(len(data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - (bytes.LastIndexByte(before, '\n') + 1) + 1
	return fmt.Sprintf("line %d, column %d: ", line, column)
}

func refuseTree(err error) error {
	if !errors.Is(err, errTooDeep) {
		return malformed(err.Error())
	}
	return &Error{Code: CodeInvalid, Message: messageInvalidJSON,
		Details: []Detail{{Path: "/", Errors: []string{err.Error()}}}}
}

// reader builds nodes from tokens.
type reader struct {
	dec      *json.Decoder
	repeated []string
	lenient  bool
}

func (r *reader) value(depth int) (node, error) {
	t, err := r.dec.Token()
	if err != nil {
		return node{}, err
	}
	switch v := t.(type) {
	case bool:
		return node{kind: boolean, truth: v}, nil
	case json.Number:
		return node{kind: number, text: v.String()}, nil
	case string:
		return node{kind: text, text: v}, nil
	case json.Delim:
		if depth == MaxDepth {
			return node{kind: null}, r.tooDeep()
		}
		if v == '{' {
			return r.object(depth + 1)
		}
		return r.list(depth + 1)
	}
	return node{kind: null}, nil
}

// tooDeep refuses the object or list just opened, or passes over it.
func (r *reader) tooDeep() error {
	if !r.lenient {
		return errTooDeep
	}
	for open := 1; open > 0; {
		t, err := r.dec.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			open++
		case json.Delim('}'), json.Delim(']'):
			open--
		}
	}
	return nil
}

func (r *reader) list(depth int) (node, error) {
	n := node{kind: list}
	for r.dec.More() {
		v, err := r.value(depth)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, v)
	}
	return n, r.end()
}

func (r *reader) object(depth int) (node, error) {
	n := node{kind: object}
	at := map[string]int{}
	for r.dec.More() {
		t, err := r.dec.Token()
		if err != nil {
			return node{}, err
		}
		name, ok := t.(string)
		if !ok {
			return node{}, fmt.Errorf("found %v, expected a member's name", t)
		}
		v, err := r.value(depth)
		if err != nil {
			return node{}, err
		}
		if i, ok := at[name]; ok {
			r.repeated = append(r.repeated, name)
			n.items[i] = v
			continue
		}
		at[name] = len(n.names)
		n.names, n.items = append(n.names, name), append(n.items, v)
	}
	return n, r.end()
}

// end takes the closing bracket.
func (r *reader) end() error {
	_, err := r.dec.Token()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
