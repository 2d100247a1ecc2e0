// Package tail reads the end of a task's output: the last lines for a follower, or a few of them to be quoted in the
// message of a failed task. The process driver keeps output in files; docker's engine answers with a stream of text.
package tail

import (
	"bytes"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

const block = 16 << 10

// Offset returns where in r, which is size bytes long, its last n lines begin, and how many lines that is: fewer than n
// if r does not hold as many. A last line without newline counts. Negative n means all.
func Offset(r io.ReaderAt, size int64, n int) (offset int64, lines int, err error) {
	if n < 0 {
		return 0, -1, nil
	}
	if n == 0 || size == 0 {
		return size, 0, nil
	}
	buf := make([]byte, block)
	for end := size; end > 0; {
		start := max(0, end-block)
		b := buf[:end-start]
		if _, err := r.ReadAt(b, start); err != nil && err != io.EOF {
			return 0, 0, err
		}
		for i := len(b) - 1; i >= 0; i-- {
			// The newline that ends the last line begins no line.
			if b[i] != '\n' || start+int64(i) == size-1 {
				continue
			}
			if lines++; lines == n {
				return start + int64(i) + 1, lines, nil
			}
		}
		end = start
	}
	return 0, lines + 1, nil
}

// Quote returns "; stderr ends with:" and the last lines, at most n of them and limit bytes, of the files in order, the
// newest last; "" if they are empty or cannot be read.
func Quote(names []string, n, limit int) string {
	var text []byte
	for _, name := range names {
		text = append(text, lastBytes(name, int64(limit))...)
	}
	return QuoteText(text, n, limit)
}

func lastBytes(name string, limit int64) []byte {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	start := max(0, info.Size()-limit)
	b, err := io.ReadAll(io.NewSectionReader(f, start, info.Size()-start))
	if err != nil {
		return nil
	}
	return b
}

// QuoteText is Quote for text at hand.
func QuoteText(text []byte, n, limit int) string {
	text = bytes.TrimRight(text, " \t\r\n")
	text = text[max(0, len(text)-limit):]
	for len(text) > 0 && !utf8.RuneStart(text[0]) {
		text = text[1:]
	}
	start, _, err := Offset(bytes.NewReader(text), int64(len(text)), n)
	if err != nil || len(text) == 0 {
		return ""
	}
	return "; stderr ends with:\n" + strings.Map(printable, strings.ToValidUTF8(string(text[start:]), "\uFFFD"))
}

// printable drops what could play tricks on the terminal that shows a message.
func printable(r rune) rune {
	if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
		return -1
	}
	return r
}
