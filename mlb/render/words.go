package render

import "strings"

// word is one word of a configuration line: as written, and as HAProxy understands it.
type word struct{ raw, plain string }

// splitLine cuts a line into words by HAProxy's rules for quotes and escapes (manual section 2.2), up to a comment. The
// line must have passed checkWords.
func splitLine(line string) []word {
	var words []word
	var raw, plain strings.Builder
	in, quote := false, byte(0)
	end := func() {
		if in {
			words = append(words, word{raw.String(), plain.String()})
			raw.Reset()
			plain.Reset()
		}
		in = false
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		if quote == 0 && (c == ' ' || c == '\t') {
			end()
			continue
		}
		if quote == 0 && c == '#' {
			break
		}
		in = true
		raw.WriteByte(c)
		switch {
		case c == quote && quote != 0:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == '\\' && quote != '\'' && i+1 < len(line):
			n, value := escape(line[i+1:])
			raw.WriteString(line[i+1 : i+1+n])
			plain.WriteString(value)
			i += n
		default:
			plain.WriteByte(c)
		}
	}
	end()
	return words
}

// escape reads what follows a backslash: how many bytes belong to it and what they mean. What HAProxy does not know it
// keeps with the backslash.
func escape(s string) (n int, value string) {
	switch s[0] {
	case 'n':
		return 1, "\n"
	case 'r':
		return 1, "\r"
	case 't':
		return 1, "\t"
	case 'x':
		if len(s) >= 3 && isHex(s[1]) && isHex(s[2]) {
			return 3, string(rune(unhex(s[1])<<4 | unhex(s[2])))
		}
	case ' ', '#', '\\', '"', '\'', '$':
		return 1, s[:1]
	}
	return 1, `\` + s[:1]
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return (c | 0x20) - 'a' + 10
}
