package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Limits of a document.
const (
	// MaxDocument is the largest document that is read, in bytes. It guards this package's own callers; the HTTP
	// layer has a lower limit of its own, 1 MiB by default.
	MaxDocument = 8 << 20
	// MaxDepth is how deep objects and lists may be nested.
	MaxDepth = 64
	// MaxItems is the length of the longest list. With its defaults filled in, an item can be much larger than it was
	// written.
	MaxItems = 20000
)

type kind int

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindText
	kindList
	kindObject
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
		if s == name && n.items[i].kind != kindNull {
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
	r := reader{data: data, lenient: lenient}
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
