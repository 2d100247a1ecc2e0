package api

import (
	"reflect"
	"strings"
	"sync"
)

// list keeps the positions: an item of a wrong type stays as an empty one in lenient reading, because lists of ports
// are matched by index.
func (d *decoder) list(n *node, v reflect.Value, path string) bool {
	if n.kind != kindList {
		d.wrongType(path, kindList.String(), n)
		return false
	}
	if len(n.items) > MaxItems && !d.lenient {
		d.add(path, "has %d items, the limit is %d", len(n.items), MaxItems)
		return false
	}
	s := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i := range n.items {
		at := d.item(path, i)
		if n.items[i].kind == kindNull && !d.lenient {
			d.wrongType(at, "a value", &n.items[i])
			continue
		}
		d.value(&n.items[i], s.Index(i), at)
	}
	v.Set(s)
	return true
}

func (d *decoder) mapping(n *node, v reflect.Value, path string) bool {
	if n.kind != kindObject {
		d.wrongType(path, kindObject.String(), n)
		return false
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.names))
	for i, name := range n.names {
		at := d.child(path, name)
		if strings.HasSuffix(path, "/env") && d.refuseSecret(&n.items[i], at) {
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
	if _, ok := n.member("secret"); !ok {
		return false
	}
	d.add(path, "secrets are not supported")
	return true
}

func (d *decoder) object(n *node, v reflect.Value, path string) bool {
	if n.kind != kindObject {
		d.wrongType(path, kindObject.String(), n)
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
			rule(d, &n.items[i], d.child(path, name))
			continue
		}
		at, ok := fields[name]
		if !ok {
			d.unknown(path, name)
			continue
		}
		d.value(&n.items[i], v.FieldByIndex(at), d.child(path, name))
	}
	return true
}

func (d *decoder) unknown(path, name string) {
	if !d.lenient && len(d.notes.Unknown) < maxReported {
		d.notes.Unknown = append(d.notes.Unknown, child(path, name))
	}
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
