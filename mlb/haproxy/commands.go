package haproxy

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"berth/mlb/plan"
)

// CommandError is an answer of the Runtime API other than the one that means success.
type CommandError struct {
	Command, Answer string
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("runtime command %q: unexpected answer %q", shorten(e.Command), shorten(e.Answer))
}

// maxLine bounds what travels in one write: HAProxy takes a line, payload included, of up to tune.bufsize (16384) less a
// reserve.
const maxLine = 12 << 10

// send executes commands in order, as many in one line as fit, and compares every answer with what it must be. It stops at
// the first line that holds a failure: commands after it may or may not have been executed.
func (s *sockets) send(ctx context.Context, commands []plan.Command) error {
	versions := map[string]string{} // of the map transactions opened by these commands
	for _, line := range lines(commands) {
		if err := s.sendLine(ctx, line, versions); err != nil {
			return err
		}
	}
	return nil
}

// lines groups commands that travel together. A payload ends a line, so such a command goes last; "prepare map" goes last,
// too, because its answer is needed in the next one.
func lines(commands []plan.Command) [][]plan.Command {
	var all [][]plan.Command
	var line []plan.Command
	size := 0
	flush := func() {
		if len(line) > 0 {
			all, line, size = append(all, line), nil, 0
		}
	}
	for _, whole := range commands {
		for _, c := range pieces(whole) {
			n := len(c.Line) + len(c.Payload) + 4
			if size+n > maxLine {
				flush()
			}
			line, size = append(line, c), size+n
			if c.Payload != "" || strings.HasPrefix(c.Line, "prepare ") {
				flush()
			}
		}
	}
	flush()
	return all
}

// pieces cuts the payload of one "add map" at line breaks into several that fit. Other payloads (certificates) are one piece.
func pieces(c plan.Command) []plan.Command {
	if len(c.Line)+len(c.Payload) <= maxLine || !strings.HasPrefix(c.Line, "add map ") {
		return []plan.Command{c}
	}
	var all []plan.Command
	var b strings.Builder
	for entry := range strings.Lines(c.Payload) {
		if b.Len() > 0 && len(c.Line)+b.Len()+len(entry) > maxLine {
			all = append(all, plan.Command{Line: c.Line, Payload: b.String()})
			b.Reset()
		}
		b.WriteString(entry)
	}
	return append(all, plan.Command{Line: c.Line, Payload: b.String()})
}

// level comes first in every line: its answer is known and not empty, so the blank answers that follow can be counted even
// though client-native trims blanks; and it tells when the socket lacks the rights, which would otherwise look like
// unknown commands.
const level = "show cli level"

func (s *sockets) sendLine(ctx context.Context, line []plan.Command, versions map[string]string) error {
	b := strings.Builder{}
	b.WriteString(level)
	for i := range line {
		line[i].Line = withVersion(line[i].Line, versions)
		b.WriteString(";" + line[i].Line)
		if p := line[i].Payload; p != "" {
			b.WriteString(" <<\n" + strings.TrimRight(p, "\n") + "\n")
		}
	}
	text, err := s.worker(ctx, b.String())
	if err != nil {
		return fmt.Errorf("send %d runtime commands: %w", len(line), err)
	}
	answers := splitAnswers(text)
	if len(answers) == 0 || answers[0] != "[6]: admin" {
		return &CommandError{level, text}
	}
	for i, c := range line {
		answer := "" // trimmed away
		if i+1 < len(answers) {
			answer = answers[i+1]
		}
		if !accepted(c.Line, answer) {
			return &CommandError{c.Line, answer}
		}
		if m := newVersion.FindStringSubmatch(answer); m != nil {
			versions[strings.TrimPrefix(c.Line, "prepare map ")] = m[1]
		}
	}
	if len(answers) > len(line)+1 {
		return &CommandError{line[len(line)-1].Line, answers[len(line)+1]}
	}
	return nil
}

// splitAnswers cuts the answers to one line of commands apart: each ends with an empty line.
//
//	[6]: admin
//
//	                             (an empty answer)
//	[6]: New server registered.
func splitAnswers(text string) []string {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	var all, current []string
	for line := range strings.Lines(text + "\n\n") {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			current = append(current, line)
			continue
		}
		all, current = append(all, strings.Join(current, "\n")), nil
	}
	return all
}

var newVersion = regexp.MustCompile(`^(?:\[[4-6]\]: )?New version created: (\d{1,10})$`)

// withVersion fills in the version a map transaction got: plans write "@@ <map>" for what only "prepare map" tells.
func withVersion(line string, versions map[string]string) string {
	before, after, ok := strings.Cut(line, " @@ ")
	if !ok {
		return line
	}
	name, _, _ := strings.Cut(after, " ")
	if v, known := versions[name]; known {
		return before + " @" + v + " " + after
	}
	return line
}

// success says for each command what HAProxy answers when it worked; "" is an empty answer. Severities 4 to 6 (warning to
// info) may carry a remark; lower ones never mean success.
var success = []struct {
	prefix string
	answer *regexp.Regexp
}{
	{"add server ", regexp.MustCompile(`^\[[4-6]\]: New server registered\.$`)},
	{"del server ", regexp.MustCompile(`^\[[4-6]\]: Server deleted\.$`)},
	{"prepare map ", newVersion},
	{"set ssl cert ", regexp.MustCompile(`^(\[[4-6]\]: )?Transaction (created|updated) for certificate`)},
	{"commit ssl cert ", regexp.MustCompile(`(?s)^(\[[4-6]\]: )?Committing .*Success!$`)},
	{"set server ", regexp.MustCompile(`^(\[[4-6]\]: .*)?$`)}, // "set server … addr" remarks what it changed
	{"", regexp.MustCompile(`^$`)},
}

func accepted(command, answer string) bool {
	for _, s := range success {
		if strings.HasPrefix(command, s.prefix) {
			return s.answer.MatchString(answer)
		}
	}
	return false
}
