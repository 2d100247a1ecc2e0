// Package legacy reads configuration lines that HAProxy no longer knows, as old labels and templates have them, and writes
// what means the same today; where nothing does, it says what to write. It is pure, and knows lines, not variables: the
// placeholders of either template language pass through.
//
//	label or template → legacy.Translate → text for model and render, notes for the operator
package legacy

import (
	"fmt"
	"strings"
)

// Note says what was changed in a text and why, in one sentence.
type Note string

// Translate replaces directives that were removed from HAProxy by 2.6 (most of them by 2.1) and marathon-lb's own Lua
// lines. A text without any is returned as it is. The error names the line and what to write instead.
func Translate(text string) (string, []Note, error) {
	if !suspicious(text) {
		return text, nil, nil
	}
	var b strings.Builder
	var notes []Note
	lua := false // the pages behind Lua are handed over once
	for line := range strings.Lines(text) {
		body, end := strings.TrimRight(line, "\r\n"), ""
		if len(body) < len(line) {
			end = "\n"
		}
		now, note, err := translateLine(body, &lua)
		if err != nil {
			return "", nil, err
		}
		if note != "" {
			notes = append(notes, Note(note))
		}
		if now != "" || body == "" {
			b.WriteString(now + end)
		}
	}
	return b.String(), notes, nil
}

// suspicious is a quick look, as nearly every text has nothing of the kind.
func suspicious(text string) bool {
	for line := range strings.Lines(text) {
		word, rest := cut(strings.TrimSpace(line))
		if word == "option" || word == "http-request" || word == "mode" {
			word, _ = cut(rest)
		}
		if directives[strings.ToLower(word)] != nil || options[word] != nil || strings.HasPrefix(word, "use-service") {
			return true
		}
	}
	return false
}

// translateLine returns the line as it is to be written now, or "" to leave it out.
func translateLine(line string, lua *bool) (string, string, error) {
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	word, rest := cut(strings.TrimSpace(line))
	var rule rule
	switch word {
	case "http-request":
		if rest, ok := strings.CutPrefix(rest, "use-service lua."); ok {
			return luaService(indent, rest, lua)
		}
		return line, "", nil
	case "option":
		name, _ := cut(rest)
		rule = options[name]
		word, rest = "option "+name, strings.TrimSpace(strings.TrimPrefix(rest, name))
	default:
		rule = directives[strings.ToLower(word)]
	}
	if rule == nil {
		return line, "", nil
	}
	now, why, err := rule(rest)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("%s is no directive of HAProxy any more: %w", word, err)
	case now == "" && why == "":
		return line, "", nil
	case now == "":
		return "", fmt.Sprintf("%s is left out: %s", word, why), nil
	}
	return indent + now, fmt.Sprintf("%s is no directive of HAProxy any more; it is read as %q", word, now), nil
}

// cut splits a line after its first word.
func cut(s string) (word, rest string) {
	end := strings.IndexAny(s, " \t\r\n")
	if end < 0 {
		return s, ""
	}
	return s[:end], strings.TrimLeft(s[end:], " \t")
}

// luaService replaces marathon-lb's pages, which Lua scripts answered, by mlb's own.
func luaService(indent, rest string, done *bool) (string, string, error) {
	name, _ := cut(rest)
	switch name {
	case "getpids", "getconfig", "getvhostmap", "getappmap", "signalmlbhup", "signalmlbusr1":
	default:
		return indent + "http-request use-service lua." + rest, "", nil
	}
	if *done {
		return "", "lua." + name + " is left out: mlb answers this page itself", nil
	}
	*done = true
	return indent + "use_backend mlb_admin if { path_beg /_haproxy_ /_mlb_ }",
		"lua." + name + " is replaced: mlb answers this page itself", nil
}
