package api

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
)

// DecodeAppInfo reads one app, with whatever is embedded in it, as a real Marathon of any version serves it. One odd
// field does not cost the app: a field of a wrong type is left empty (a map's entry is left out), unknown ones are
// ignored, legacy ones are kept in their own fields. It fails only when data is not a JSON object or has no usable id.
// Nothing is normalised and no default is filled in, but a missing leading slash of the id.
func DecodeAppInfo(data []byte) (*AppInfo, error) {
	info := new(AppInfo)
	if err := json.Unmarshal(data, info); err != nil {
		info = new(AppInfo)
		if err := decodeLenient(data, info); err != nil {
			return nil, err
		}
	}
	if !usableID(info.ID) {
		return nil, errors.New("read app: no usable id: " + quote(info.ID))
	}
	if !strings.HasPrefix(info.ID, "/") {
		info.ID = "/" + info.ID
	}
	return info, nil
}

func decodeLenient(data []byte, info *AppInfo) error {
	root, _, err := readTree(data, true)
	if err != nil {
		return err
	}
	if root.kind != kindObject {
		return errors.New("read app: expected an object, found " + root.kind.String())
	}
	d := &decoder{lenient: true}
	d.value(&root, reflect.ValueOf(info).Elem(), "/")
	return nil
}

// usableID accepts what cannot do harm as a name; whether Marathon would accept it is not asked.
func usableID(id string) bool {
	if strings.Trim(id, "/") == "" || len(id) > 8*maxID {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}
