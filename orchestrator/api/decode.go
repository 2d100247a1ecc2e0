package api

import (
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
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
	d := &decoder{}
	for _, name := range repeated {
		d.notes.warn("field %s is given twice in one object, the last one counts", printable(name))
	}
	if root.kind == null {
		d.wrongType("/", "a value", &root)
	}
	d.value(&root, reflect.ValueOf(into).Elem(), "/")
	return d, &root, nil
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

func (d *decoder) wrongType(path, expected string, n *node) {
	d.badType = true
	if d.lenient {
		return
	}
	found := n.kind.String()
	switch n.kind {
	case text:
		found += " " + quote(n.text)
	case number:
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
	if n.kind == null {
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
		return d.scalar(n, text, path, func() { v.SetString(n.text) })
	case reflect.Bool:
		return d.scalar(n, boolean, path, func() { v.SetBool(n.truth) })
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
		d.wrongType(path, number.String(), n)
		return false
	}
	v.SetFloat(f)
	return true
}

// numberOf reads a number that fits into 64 bits of floating point.
func numberOf(n *node) (float64, bool) {
	if n.kind != number {
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

// list keeps the positions: an item of a wrong type stays as an empty one in lenient reading, because lists of ports
// are matched by index.
func (d *decoder) list(n *node, v reflect.Value, path string) bool {
	if n.kind != list {
		d.wrongType(path, list.String(), n)
		return false
	}
	s := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i := range n.items {
		at := item(path, i)
		if n.items[i].kind == null && !d.lenient {
			d.wrongType(at, "a value", &n.items[i])
			continue
		}
		d.value(&n.items[i], s.Index(i), at)
	}
	v.Set(s)
	return true
}

func (d *decoder) mapping(n *node, v reflect.Value, path string) bool {
	if n.kind != object {
		d.wrongType(path, object.String(), n)
		return false
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.names))
	for i, name := range n.names {
		at := child(path, name)
		if d.refuseSecret(&n.items[i], at) {
			continue
		}
		e := reflect.New(v.Type().Elem()).Elem()
		if d.value(&n.items[i], e, at) {
			m.SetMapIndex(reflect.ValueOf(name), e)
		}
	}
	v.Set(m)
	return true
}

// refuseSecret finds an environment variable whose value is to come from a secret store.
func (d *decoder) refuseSecret(n *node, path string) bool {
	if n.kind != object || d.lenient || !strings.HasPrefix(path, "/env/") {
		return false
	}
	if _, ok := n.member("secret"); !ok {
		return false
	}
	d.add(path, "secrets are not supported")
	return true
}

func (d *decoder) object(n *node, v reflect.Value, path string) bool {
	if n.kind != object {
		d.wrongType(path, object.String(), n)
		return false
	}
	special := specialFields[v.Type()]
	if !d.lenient {
		setDefaults(v)
	} else {
		special = nil
	}
	fields := fieldsOf(v.Type())
	for i, name := range n.names {
		if rule, ok := special[name]; ok {
			rule(d, &n.items[i], child(path, name))
			continue
		}
		at, ok := fields[name]
		if !ok {
			d.unknown(path, name)
			continue
		}
		d.value(&n.items[i], v.FieldByIndex(at), child(path, name))
	}
	return true
}

func (d *decoder) unknown(path, name string) {
	if !d.lenient && len(d.notes.Unknown) < maxReported {
		d.notes.Unknown = append(d.notes.Unknown, child(path, name))
	}
}

func (d *decoder) timestamp(n *node, t *Timestamp, path string) bool {
	v, err := ParseTimestamp(n.text)
	if n.kind != text || err != nil {
		d.wrongType(path, "a timestamp of the form "+TimestampLayout, n)
		return false
	}
	*t = v
	return true
}

func (d *decoder) unreachable(n *node, u *UnreachableStrategy, path string) bool {
	if n.kind == text && (n.text == "disabled" || d.lenient) {
		*u = UnreachableStrategy{Disabled: true}
		return true
	}
	if n.kind != object {
		d.wrongType(path, `"disabled" or an object`, n)
		return false
	}
	var v unreachableJSON
	d.object(n, reflect.ValueOf(&v).Elem(), path)
	*u = UnreachableStrategy{InactiveAfterSeconds: v.InactiveAfterSeconds, ExpungeAfterSeconds: v.ExpungeAfterSeconds}
	return true
}

// anything keeps a value whose meaning is not ours; nulls inside are dropped, so that no answer ever carries one.
func (d *decoder) anything(n *node, path string) (any, bool) {
	switch n.kind {
	case boolean:
		return n.truth, true
	case text:
		return n.text, true
	case number:
		f, ok := numberOf(n)
		if !ok {
			d.wrongType(path, "a number of 64 bits", n)
		}
		return f, ok
	case list:
		all := []any{}
		for i := range n.items {
			if x, ok := d.anything(&n.items[i], item(path, i)); ok {
				all = append(all, x)
			}
		}
		return all, true
	case object:
		all := map[string]any{}
		for i, name := range n.names {
			if x, ok := d.anything(&n.items[i], child(path, name)); ok {
				all[name] = x
			}
		}
		return all, true
	}
	return nil, false
}

var fieldCache sync.Map // reflect.Type → map[string][]int

// fieldsOf returns the JSON names of a struct with the places of their fields, embedded structs included.
func fieldsOf(t reflect.Type) map[string][]int {
	if m, ok := fieldCache.Load(t); ok {
		return m.(map[string][]int)
	}
	m := map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" && f.IsExported() {
			m[name] = f.Index
		}
	}
	fieldCache.Store(t, m)
	return m
}
