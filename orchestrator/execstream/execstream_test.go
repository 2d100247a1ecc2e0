package execstream

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestWhatIsSentIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := Kind(rapid.Byte().Draw(t, "kind"))
		text := rapid.SliceOfN(rapid.Byte(), 0, 3*MaxPayload).Draw(t, "text")
		var buf bytes.Buffer
		if err := NewWriter(&buf).Send(kind, text); err != nil {
			t.Fatal(err)
		}
		var got []byte
		frames := 0
		for buf.Len() > 0 {
			k, p, err := Read(&buf)
			if err != nil || k != kind || len(p) > MaxPayload {
				t.Fatalf("%d, %d bytes, %v", k, len(p), err)
			}
			got = append(got, p...)
			frames++
		}
		if !bytes.Equal(got, text) || frames == 0 {
			t.Fatalf("%d bytes in %d frames, sent %d", len(got), frames, len(text))
		}
	})
}

func TestBrokenFramesAreErrors(t *testing.T) {
	for rule, tc := range map[string]struct {
		data string
		want error
	}{
		"end between frames": {"", io.EOF},
		"end in a head":      {"o\x00\x00", io.ErrUnexpectedEOF},
		"end in a payload":   {"o\x00\x00\x00\x05abc", io.ErrUnexpectedEOF},
	} {
		if _, _, err := Read(strings.NewReader(tc.data)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", rule, err)
		}
	}
	if _, _, err := Read(strings.NewReader("o\xff\xff\xff\xff")); err == nil || !strings.Contains(err.Error(), "expected at most") {
		t.Errorf("too large: %v", err)
	}
}

func TestFramesOfManyDoNotMix(t *testing.T) {
	var buf bytes.Buffer
	w := NewWriter(&buf)
	var wg sync.WaitGroup
	for _, k := range []Kind{Stdout, Stderr} {
		wg.Go(func() {
			if n, err := w.Copy(k, bytes.NewReader(bytes.Repeat([]byte{byte(k)}, 5*MaxPayload))); err != nil || n != 5*MaxPayload {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
	wg.Wait()
	for buf.Len() > 0 {
		k, p, err := Read(&buf)
		if err != nil || len(bytes.Trim(p, string(rune(k)))) != 0 {
			t.Fatalf("a frame of kind %c: %v, %q", k, err, p[:min(len(p), 20)])
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("o\x00\x00\x00\x01a"))
	f.Add([]byte("i\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		for {
			_, p, err := Read(r)
			if err != nil {
				return
			}
			if len(p) > MaxPayload {
				t.Fatalf("%d bytes", len(p))
			}
		}
	})
}
