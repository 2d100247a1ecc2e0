package tail

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestOffsetAgreesWithSplitting compares with the obvious way to take the last lines.
func TestOffsetAgreesWithSplitting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`([a-z]{0,3}\n){0,10}[a-z]{0,2}`),
			rapid.Map(rapid.IntRange(0, 9000), func(n int) string { return strings.Repeat("line\n", n) }),
		).Draw(t, "text")
		n := rapid.IntRange(0, 12).Draw(t, "n")
		lines := strings.SplitAfter(text, "\n")
		if lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1]
		}
		want := strings.Join(lines[max(0, len(lines)-n):], "")
		offset, found, err := Offset(strings.NewReader(text), int64(len(text)), n)
		if err != nil || text[offset:] != want || found != min(n, len(lines)) {
			t.Fatalf("last %d of %q: %q, %d lines, %v; want %q", n, text, text[offset:], found, err, want)
		}
	})
}

func TestNegativeMeansAll(t *testing.T) {
	if offset, _, err := Offset(strings.NewReader("a\nb\n"), 4, -1); offset != 0 || err != nil {
		t.Errorf("offset %d, %v", offset, err)
	}
}

func TestQuoteText(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		" \n\n":                       "",
		"one":                         "; stderr ends with:\none",
		"1\n2\n3\n4\n":                "; stderr ends with:\n2\n3\n4",
		"\x1b[31mred\x07\r":           "; stderr ends with:\n[31mred",
		"é" + strings.Repeat("x", 19): "; stderr ends with:\n" + strings.Repeat("x", 19),
		"bad \xff utf8":               "; stderr ends with:\nbad \uFFFD utf8",
	} {
		if got := QuoteText([]byte(text), 3, 20); got != want {
			t.Errorf("QuoteText(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestQuoteReadsTheNewerPartLast(t *testing.T) {
	dir := t.TempDir()
	names := []string{filepath.Join(dir, "stderr.1"), filepath.Join(dir, "stderr"), filepath.Join(dir, "none")}
	for i, text := range []string{"old 1\nold 2\n", "new\n"} {
		if err := os.WriteFile(names[i], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := Quote(names, 2, 100), "; stderr ends with:\nold 2\nnew"; got != want {
		t.Errorf("Quote = %q, want %q", got, want)
	}
}

func TestHeadKeepsTheBeginningAndNeverFails(t *testing.T) {
	h := NewHead(5)
	for _, s := range []string{"abc", "defg", "h"} {
		if n, err := h.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("write %q: %d, %v", s, n, err)
		}
	}
	if !bytes.Equal(h.Bytes(), []byte("abcde")) {
		t.Errorf("kept %q", h.Bytes())
	}
}
