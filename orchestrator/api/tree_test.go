package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plainValue turns a node into what encoding/json makes of the same text with UseNumber.
func plainValue(n *node) any {
	switch n.kind {
	case kindBool:
		return n.truth
	case kindNumber:
		return json.Number(n.text)
	case kindText:
		return n.text
	case kindList:
		all := []any{}
		for i := range n.items {
			all = append(all, plainValue(&n.items[i]))
		}
		return all
	case kindObject:
		all := map[string]any{}
		for i, name := range n.names {
			all[name] = plainValue(&n.items[i])
		}
		return all
	}
	return nil
}

// sameAsStandard compares our reading of a document with the standard library's.
func sameAsStandard(t *testing.T, data []byte) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var want any
	wantErr := dec.Decode(&want)
	root, _, err := readTree(data, false)
	if err != nil {
		if CodeOf(err) != CodeMalformed && CodeOf(err) != CodeInvalid {
			t.Fatal(err)
		}
		return // also refused: text after the end, and what is nested too deep
	}
	if wantErr != nil {
		t.Fatalf("read what is no JSON: %q: %v", data, wantErr)
	}
	if diff := cmp.Diff(want, plainValue(&root)); diff != "" {
		t.Fatalf("%q (-standard +ours):\n%s", data, diff)
	}
}

func TestReaderAgreesWithTheStandardLibrary(t *testing.T) {
	for _, s := range []string{
		`null`, ` true `, `false`, `0`, `-1.5e+7`, `""`, `"a"`, `[]`, `{}`, `[ ]`, "{\n}", `[[],{},[{}]]`, `[null,true,1,"x"]`,
		`{"a":1,"b":{"c":[2,"3"]},"":null}`, `{"a":1,"a":2}`, `"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, `"\ud800"`, `"é😀"`,
		`{"\u0061":1,"a":2}`, "\"\xff\"", `["\\","]"]`, `{"a]":"}","b":"{,:"}`, "[1 ,2\t,\r\n3]",
	} {
		sameAsStandard(t, []byte(s))
	}
}

func TestManyNamesAreIndexed(t *testing.T) {
	var b bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&b, `,"name-%d":%d`, i%700, i)
	}
	text := []byte("{" + b.String()[1:] + "}")
	sameAsStandard(t, text)
	root, repeated, err := readTree(text, false)
	if err != nil || len(root.names) != 700 || len(repeated) != 300 {
		t.Errorf("%d names, %d repeated, %v", len(root.names), len(repeated), err)
	}
}

func TestLenientReaderPassesOverWhatLiesTooDeep(t *testing.T) {
	deep := bytes.Repeat([]byte(`[{"a":"]}","b":[1,null,{}],"c":`), MaxDepth)
	text := append(append([]byte(`{"x":`), deep...), '1')
	text = append(append(text, bytes.Repeat([]byte(`}]`), MaxDepth)...), `,"y":2}`...)
	root, _, err := readTree(text, true)
	if err != nil {
		t.Fatal(err)
	}
	if y, ok := root.member("y"); !ok || y.text != "2" {
		t.Errorf("what follows is lost: %+v", root.names)
	}
	if _, _, err := readTree(text, false); CodeOf(err) != CodeInvalid {
		t.Errorf("strict: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e3,"x\n",null,true],"b":{}}`, `[{"a":"\ud83d\ude00"}]`, `"\u0000"`, `{"a":1,"a":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		sameAsStandard(t, data)
		_, _, _ = readTree(data, true)
	})
}
