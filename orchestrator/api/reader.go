package api

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// reader builds nodes from text that checkSyntax found to be JSON, so that it need not look for syntax errors itself.
type reader struct {
	data     []byte
	at       int
	repeated []string
	lenient  bool
}

// next skips blanks, and commas and colons with them, and returns the byte that begins what follows.
func (r *reader) next() byte {
	for {
		switch c := r.data[r.at]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
			r.at++
		default:
			return c
		}
	}
}

func (r *reader) value(depth int) (node, error) {
	switch c := r.next(); c {
	case '{', '[':
		if depth == MaxDepth {
			return node{kind: kindNull}, r.tooDeep()
		}
		r.at++
		if c == '{' {
			return r.object(depth + 1)
		}
		return r.list(depth + 1)
	case '"':
		s, err := r.text()
		return node{kind: kindText, text: s}, err
	}
	return r.literal(), nil
}

// literal reads a number or one of the three words: all up to a byte that can be in neither.
func (r *reader) literal() node {
	rest := r.data[r.at:]
	end := bytes.IndexAny(rest, " \t\r\n,]}")
	if end < 0 {
		end = len(rest)
	}
	r.at += end
	switch word := string(rest[:end]); word {
	case "null":
		return node{kind: kindNull}
	case "true", "false":
		return node{kind: kindBool, truth: word == "true"}
	default:
		return node{kind: kindNumber, text: word}
	}
}

func (r *reader) text() (string, error) {
	start := r.at
	r.at++
	for r.data[r.at] != '"' {
		if r.data[r.at] == '\\' {
			r.at++
		}
		r.at++
	}
	r.at++
	quoted := r.data[start:r.at]
	plain := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
		return string(plain), nil
	}
	var s string
	err := json.Unmarshal(quoted, &s)
	return s, err
}

// tooDeep refuses the object or list about to be read, or passes over it.
func (r *reader) tooDeep() error {
	if !r.lenient {
		return errTooDeep
	}
	for open := 0; ; {
		switch r.next() {
		case '{', '[':
			open++
			r.at++
		case '}', ']':
			open--
			r.at++
		case '"':
			if _, err := r.text(); err != nil {
				return err
			}
		default:
			r.literal()
		}
		if open == 0 {
			return nil
		}
	}
}

func (r *reader) list(depth int) (node, error) {
	n := node{kind: kindList}
	for r.next() != ']' {
		v, err := r.value(depth)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, v)
	}
	r.at++
	return n, nil
}

func (r *reader) object(depth int) (node, error) {
	n := node{kind: kindObject}
	var seen index
	for r.next() != '}' {
		name, err := r.text()
		if err != nil {
			return node{}, err
		}
		v, err := r.value(depth)
		if err != nil {
			return node{}, err
		}
		if i, ok := seen.find(name, n.names); ok {
			r.repeated = append(r.repeated, name)
			n.items[i] = v
			continue
		}
		n.names, n.items = append(n.names, name), append(n.items, v)
	}
	r.at++
	return n, nil
}

// index finds names that an object gave before: by looking through them while they are few, then by a map.
type index map[string]int

// find returns the position of name among names. It must be called once before each name is appended to names.
func (x *index) find(name string, names []string) (int, bool) {
	const few = 32
	if len(names) < few {
		i := slices.Index(names, name)
		return i, i >= 0
	}
	if *x == nil {
		*x = index{}
	}
	for i := len(*x); i < len(names); i++ {
		(*x)[names[i]] = i
	}
	i, ok := (*x)[name]
	return i, ok
}
