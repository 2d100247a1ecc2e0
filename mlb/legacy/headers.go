package legacy

import (
	"fmt"
	"regexp"
	"strings"
)

// token is a header's name (RFC 9110 section 5.1), as far as old rules name one.
var token = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+.^_|~-]+$`)

// addHeader reads "Name:\ value [if …]", one word with escaped blanks, perhaps in quotes.
func addHeader(what string) rule {
	return func(rest string) (string, string, error) {
		text, condition := word(rest)
		name, value, ok := strings.Cut(text, ":")
		if !ok || !token.MatchString(name) {
			return "", "", fmt.Errorf("write %s add-header <name> <value>", what)
		}
		value = strings.ReplaceAll(strings.TrimSpace(value), "%", "%%")
		return join(what, "add-header", name, quote(value), condition), "", nil
	}
}

// deleteHeader reads a regular expression that begins with a header's name.
func deleteHeader(what string) rule {
	return func(rest string) (string, string, error) {
		text, condition := word(rest)
		name, value, ok := strings.Cut(strings.TrimPrefix(text, "^"), ":")
		value = strings.TrimSpace(value)
		if !ok || !token.MatchString(name) || !strings.HasPrefix(text, "^") || value != "" && value != ".*" && value != ".*$" {
			return "", "", fmt.Errorf("write %s del-header <name>", what)
		}
		return join(what, "del-header", name, condition), "", nil
	}
}

// replace reads "^Name:\ regex Name:\ value [if …]". Both the old rule and replace-header put the new value in the place of
// the whole old one. A rule about the request line or the status line has no counterpart that could be written blindly.
func replace(what string, anyCase bool) rule {
	return func(rest string) (string, string, error) {
		search, rest := word(rest)
		value, condition := word(rest)
		from, pattern, ok := strings.Cut(strings.TrimPrefix(search, "^"), ":")
		to, text, ok2 := strings.Cut(value, ":")
		if !ok || !ok2 || !strings.HasPrefix(search, "^") || !token.MatchString(from) || !strings.EqualFold(from, to) {
			instead := "write http-request replace-path <regex> <path>, or http-request replace-header <name> <regex> <value>"
			if what == "http-response" {
				instead = "write http-response replace-header <name> <regex> <value>"
			}
			return "", "", fmt.Errorf("%s", instead)
		}
		pattern = strings.TrimLeft(pattern, " ")
		if anyCase {
			pattern = "(?i)" + pattern
		}
		text = strings.ReplaceAll(strings.TrimSpace(text), "%", "%%")
		return join(what, "replace-header", to, quote("^"+pattern), quote(text), condition), "", nil
	}
}

func join(words ...string) string { return strings.TrimSpace(strings.Join(words, " ")) }

// word takes the first word of a line by HAProxy's rules (manual section 2.2): a backslash before a blank and quotes keep
// words together. Other backslashes stay, as regular expressions have them.
func word(s string) (first, rest string) {
	var b strings.Builder
	var quoted byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && quoted != '\'' && i+1 < len(s) && strings.IndexByte(` "'#`, s[i+1]) >= 0:
			i++
			b.WriteByte(s[i])
		case quoted != 0 && c == quoted:
			quoted = 0
		case quoted == 0 && (c == '"' || c == '\''):
			quoted = c
		case quoted == 0 && (c == ' ' || c == '\t'):
			return b.String(), strings.TrimLeft(s[i:], " \t")
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// quote writes one word so that nothing in it is special to HAProxy.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
