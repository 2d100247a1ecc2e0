package render

import (
	"fmt"
	"strings"

	"berth/mlb/model"
)

// Limits of the texts that apps bring themselves. HAProxy takes 64 words a line (MAX_LINE_ARGS).
const (
	maxLine  = 8 << 10
	maxWords = 64
)

// opensSection reports whether a line with this first word begins a section (HAProxy 3.2, manual section 2.1).
func opensSection(word string) bool {
	switch word {
	case "global", "defaults", "frontend", "backend", "listen", "userlist", "peers", "resolvers", "mailers", "cache",
		"program", "http-errors", "ring", "log-forward", "fcgi-app", "crt-store", "traces", "log-profile", "acme",
		"healthcheck", "spoe-agent", "spoe-message", "spoe-group":
		return true
	}
	return false
}

// firstWord is the first word of a line as HAProxy sees it, quotes and escapes taken away.
func firstWord(line string) string {
	line = strings.TrimLeft(line, " \t")
	if end := strings.IndexAny(line, " \t#"); end >= 0 {
		line = line[:end]
	}
	if strings.ContainsAny(line, `"'\`) {
		line = strings.NewReplacer(`"`, "", `'`, "", `\`, "").Replace(line)
	}
	return line
}

// checkFragment makes sure that every part of a fragment holds exactly the section it is meant to be: no text, whoever
// wrote it, may begin another one.
func checkFragment(f *Fragment) error {
	name := f.Service.Name
	if err := checkSection(f.Userlist, "userlist", "user_"+name, true); err != nil {
		return err
	}
	if err := checkSection(f.Frontend, "frontend", name, true); err != nil {
		return err
	}
	if err := checkSection(f.Backend, "backend", name, true); err != nil {
		return err
	}
	for _, l := range f.Servers {
		if err := checkSection(l.Line, "", "", false); err != nil {
			return err
		}
	}
	return nil
}

// checkSection checks that text, unless empty, opens the one section it should and no other.
func checkSection(text, keyword, name string, opens bool) error {
	if text == "" {
		return nil
	}
	for line := range strings.Lines(text) {
		word := firstWord(strings.TrimSuffix(line, "\n"))
		switch {
		case word == "":
		case opens:
			fields := strings.Fields(line)
			if word != keyword || len(fields) != 2 || fields[1] != name {
				return fmt.Errorf("expected the text to begin with %q, not with %q", keyword+" "+name,
					model.Shorten(strings.TrimSpace(line)))
			}
			opens = false
		case opensSection(word) || word[0] == '.':
			return fmt.Errorf("line %q would leave the section", model.Shorten(strings.TrimSpace(line)))
		}
	}
	if opens {
		return fmt.Errorf("expected the text to begin with %q", keyword+" "+name)
	}
	return nil
}

// checkLines checks the text of an app for one template: complete lines that neither continue nor end elsewhere.
func checkLines(text string, row *Template) error {
	for line := range strings.SplitSeq(text, "\n") {
		if err := checkWords(line); err != nil {
			return fmt.Errorf("line %q: %w", model.Shorten(line), err)
		}
		word := firstWord(line)
		if word == "" {
			continue
		}
		if row.Kind == Block && (opensSection(word) || word[0] == '.') {
			return fmt.Errorf("line %q would leave the section", model.Shorten(line))
		}
		if err := checkReach(line); err != nil {
			return err
		}
		if sharedRule(row) {
			if err := checkRule(word, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// sharedRule reports whether the text lands in a frontend that all apps share.
func sharedRule(row *Template) bool {
	return strings.HasPrefix(row.Name, "HTTP_FRONTEND_") || strings.HasPrefix(row.Name, "HTTPS_FRONTEND_") ||
		strings.HasPrefix(row.Name, "BACKEND_REDIRECT_")
}

// checkRule lets an app put only rules with a condition into a shared frontend.
func checkRule(word, line string) error {
	switch word {
	case "acl":
		return nil
	case "use_backend", "http-request", "http-response", "http-after-response", "redirect":
		words := splitLine(line)
		for _, w := range words[:max(0, conditionAt(words))] {
			if changesRouting(w.plain) {
				return fmt.Errorf("line %q: %q sets the balancer's own variable; choose another name", model.Shorten(line),
					model.Shorten(w.plain))
			}
		}
		if conditionAt(words) > 0 {
			return nil
		}
		return fmt.Errorf("line %q: a rule in a frontend that all apps share needs a condition", model.Shorten(line))
	}
	return fmt.Errorf("line %q: expected acl, use_backend or an http rule in a frontend that all apps share",
		model.Shorten(line))
}

// checkWords scans one line by HAProxy's rules for quotes and escapes (manual section 2.2).
func checkWords(line string) error {
	if len(line) > maxLine {
		return fmt.Errorf("expected at most %d bytes in a line", maxLine)
	}
	words, in, quote := 0, false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\n' || c < ' ' && c != '\t' || c == 0x7f:
			return fmt.Errorf("expected no control characters")
		case quote == '\'':
			if c == quote {
				quote = 0
			}
			continue
		case c == '\\':
			if i++; i == len(line) {
				return fmt.Errorf("a backslash at the end of the line")
			}
		case c == quote && quote != 0:
			quote = 0
			continue
		case quote == '"' && c == '$' && i+1 < len(line) && namesVariable(line[i+1]):
			return fmt.Errorf("expected no variable of the environment in double quotes")
		case quote != 0:
			continue
		case c == '"' || c == '\'':
			quote = c
		case c == '#':
			return nil
		case c == ' ' || c == '\t':
			in = false
			continue
		}
		if !in {
			words, in = words+1, true
		}
	}
	switch {
	case quote != 0:
		return fmt.Errorf("a quote that is not closed")
	case words > maxWords:
		return fmt.Errorf("expected at most %d words in a line", maxWords)
	}
	return nil
}

func namesVariable(c byte) bool {
	return c == '{' || c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
