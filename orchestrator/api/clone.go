package api

import "reflect"

// Clone returns a deep copy: nothing that can be changed is shared. Nil and empty lists stay what they are.
func (a *App) Clone() *App {
	if a == nil {
		return nil
	}
	c := new(App)
	copyInto(reflect.ValueOf(c).Elem(), reflect.ValueOf(a).Elem())
	return c
}

func copyInto(to, from reflect.Value) {
	switch from.Kind() {
	case reflect.Pointer:
		if !from.IsNil() {
			to.Set(reflect.New(from.Type().Elem()))
			copyInto(to.Elem(), from.Elem())
		}
	case reflect.Interface:
		if !from.IsNil() {
			v := reflect.New(from.Elem().Type()).Elem()
			copyInto(v, from.Elem())
			to.Set(v)
		}
	case reflect.Slice:
		copySlice(to, from)
	case reflect.Map:
		copyMap(to, from)
	case reflect.Struct:
		for i := range from.NumField() {
			copyInto(to.Field(i), from.Field(i))
		}
	default:
		to.Set(from)
	}
}

func copySlice(to, from reflect.Value) {
	if from.IsNil() {
		return
	}
	to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
	for i := range from.Len() {
		copyInto(to.Index(i), from.Index(i))
	}
}

func copyMap(to, from reflect.Value) {
	if from.IsNil() {
		return
	}
	to.Set(reflect.MakeMapWithSize(from.Type(), from.Len()))
	for k, v := range from.Seq2() {
		e := reflect.New(from.Type().Elem()).Elem()
		copyInto(e, v)
		to.SetMapIndex(k, e)
	}
}
