package api

import (
	"math"
	"reflect"
	"strconv"
)

// Decode reads a JSON document into the struct that into points to, by the rules of all documents of the API: names are
// case-sensitive, null means absent, 2.0 is an integer and 2.5 and "2" are not, integers have 32 bits. Fields that into
// does not know are listed in the notes. The error is an *Error: CodeMalformed if data is not JSON, else CodeInvalid
// with every value of a wrong type.
func Decode(data []byte, into any) (Notes, error) {
	d, _, err := decodeStrict(data, into)
	if err != nil {
		return Notes{}, err
	}
	return d.notes, d.err()
}

// decodeStrict returns the decoder with what it found wrong and unknown, and the names given at the top.
func decodeStrict(data []byte, into any) (*decoder, *node, error) {
	root, repeated, err := parseTree(data)
	if err != nil {
		return nil, nil, err
	}
	d := decodeNode(&root, into)
	d.warnRepeated(repeated)
	return d, &root, nil
}

// decodeNode decodes what was read already; paths begin at n.
func decodeNode(n *node, into any) *decoder {
	d := &decoder{}
	if n.kind == kindNull {
		d.wrongType("/", "a value", n)
	}
	d.value(n, reflect.ValueOf(into).Elem(), "/")
	return d
}

func (d *decoder) warnRepeated(names []string) {
	for _, name := range names {
		d.notes.warn("field %s is given twice in one object, the last one counts", printable(name))
	}
}

// decoder fills Go values from nodes and collects what does not fit.
type decoder struct {
	problems
	badType bool
	notes   Notes
	// lenient leaves values of a wrong type empty, tells nobody, and fills in no defaults.
	lenient bool
}

// err returns everything found so far; one wrong type makes the whole answer "Invalid JSON".
func (d *decoder) err() error {
	if d.badType {
		return d.problems.err(messageInvalidJSON)
	}
	return d.problems.err(messageInvalidObject)
}

// child and item are the paths of parts; a lenient reader tells nobody where it is.
func (d *decoder) child(path, field string) string {
	if d.lenient {
		return ""
	}
	return child(path, field)
}

func (d *decoder) item(path string, i int) string {
	if d.lenient {
		return ""
	}
	return item(path, i)
}

func (d *decoder) wrongType(path, expected string, n *node) {
	d.badType = true
	if d.lenient {
		return
	}
	found := n.kind.String()
	switch n.kind {
	case kindText:
		found += " " + quote(n.text)
	case kindNumber:
		found += " " + cutNumber(n.text)
	}
	d.add(path, "expected %s, found %s", expected, found)
}

func cutNumber(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

// value sets v from n and reports whether it did; a null sets nothing.
func (d *decoder) value(n *node, v reflect.Value, path string) bool {
	if n.kind == kindNull {
		return false
	}
	switch p := v.Addr().Interface().(type) {
	case *Timestamp:
		return d.timestamp(n, p, path)
	case *UnreachableStrategy:
		return d.unreachable(n, p, path)
	}
	switch v.Kind() {
	case reflect.String:
		return d.scalar(n, kindText, path, func() { v.SetString(n.text) })
	case reflect.Bool:
		return d.scalar(n, kindBool, path, func() { v.SetBool(n.truth) })
	case reflect.Int, reflect.Int64:
		return d.integer(n, v, path)
	case reflect.Float64:
		return d.float(n, v, path)
	case reflect.Pointer:
		return d.pointer(n, v, path)
	case reflect.Slice:
		return d.list(n, v, path)
	case reflect.Map:
		return d.mapping(n, v, path)
	case reflect.Struct:
		return d.object(n, v, path)
	case reflect.Interface:
		x, ok := d.anything(n, path)
		if ok {
			v.Set(reflect.ValueOf(x))
		}
		return ok
	}
	panic("api: no decoding for " + v.Type().String())
}

func (d *decoder) scalar(n *node, want kind, path string, set func()) bool {
	if n.kind != want {
		d.wrongType(path, want.String(), n)
		return false
	}
	set()
	return true
}

func (d *decoder) integer(n *node, v reflect.Value, path string) bool {
	f, ok := numberOf(n)
	if !ok || f != math.Trunc(f) || f < math.MinInt32 || f > math.MaxInt32 {
		d.wrongType(path, "a whole number of 32 bits", n)
		return false
	}
	v.SetInt(int64(f))
	return true
}

func (d *decoder) float(n *node, v reflect.Value, path string) bool {
	f, ok := numberOf(n)
	if !ok {
		d.wrongType(path, kindNumber.String(), n)
		return false
	}
	v.SetFloat(f)
	return true
}

// numberOf reads a number that fits into 64 bits of floating point.
func numberOf(n *node) (float64, bool) {
	if n.kind != kindNumber {
		return 0, false
	}
	f, err := strconv.ParseFloat(n.text, 64)
	return f + 0, err == nil // + 0 makes -0 into 0
}

func (d *decoder) pointer(n *node, v reflect.Value, path string) bool {
	p := reflect.New(v.Type().Elem())
	if !d.value(n, p.Elem(), path) {
		return false
	}
	v.Set(p)
	return true
}
