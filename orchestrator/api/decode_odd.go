package api

import "reflect"

func (d *decoder) timestamp(n *node, t *Timestamp, path string) bool {
	v, err := ParseTimestamp(n.text)
	if n.kind != kindText || err != nil {
		d.wrongType(path, "a timestamp of the form "+TimestampLayout, n)
		return false
	}
	*t = v
	return true
}

func (d *decoder) unreachable(n *node, u *UnreachableStrategy, path string) bool {
	if n.kind == kindText && (n.text == "disabled" || d.lenient) {
		*u = UnreachableStrategy{Disabled: true}
		return true
	}
	if n.kind != kindObject {
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
	case kindBool:
		return n.truth, true
	case kindText:
		return n.text, true
	case kindNumber:
		f, ok := numberOf(n)
		if !ok {
			d.wrongType(path, "a number of 64 bits", n)
		}
		return f, ok
	case kindList:
		all := []any{}
		for i := range n.items {
			if x, ok := d.anything(&n.items[i], d.item(path, i)); ok {
				all = append(all, x)
			}
		}
		return all, true
	case kindObject:
		all := map[string]any{}
		for i, name := range n.names {
			if x, ok := d.anything(&n.items[i], d.child(path, name)); ok {
				all[name] = x
			}
		}
		return all, true
	}
	return nil, false
}
