package haproxy

import (
	"context"
	"fmt"
	"regexp"
	"slices"
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
// the first line that holds a failure: commands after it may or may not have been executed. waiting are those that HAProxy
// refused and that may wait.
func (s *sockets) send(ctx context.Context, commands []plan.Command) (waiting []plan.Command, err error) {
	version := "" // of the map transaction under way
	for _, line := range lines(commands) {
		late, err := s.sendLine(ctx, line, &version)
		if err != nil {
			return nil, err
		}
		waiting = append(waiting, late...)
	}
	return waiting, nil
}

// deletes says whether a command is a "del server". Those travel by themselves: HAProxy 2.6 ends their answer without an
// empty line, so that the answer to whatever follows could not be told apart.
func deletes(c plan.Command) bool { return strings.HasPrefix(c.Line, "del server ") }

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
	for _, c := range commands {
		n := len(c.Line) + len(c.Payload) + 4
		if size+n > maxLine || len(line) > 0 && deletes(line[0]) != deletes(c) {
			flush()
		}
		line, size = append(line, c), size+n
		if c.Payload != "" || strings.HasPrefix(c.Line, "prepare ") {
			flush()
		}
	}
	flush()
	return all
}

// level comes first in every line: its answer is known and not empty, so the blank answers that follow can be counted even
// though client-native trims blanks; and it tells when the socket lacks the rights, which would otherwise look like
// unknown commands.
const level = "show cli level"

func (s *sockets) sendLine(ctx context.Context, line []plan.Command, version *string) ([]plan.Command, error) {
	b := strings.Builder{}
	b.WriteString(level)
	for _, c := range line {
		b.WriteString(";" + strings.ReplaceAll(c.Line, "{version}", *version))
		if c.Payload != "" {
			b.WriteString(" <<\n" + c.Payload) // client-native adds the empty line at the end
		}
	}
	text, err := s.worker(ctx, b.String())
	if err != nil {
		return nil, fmt.Errorf("send %d runtime commands: %w", len(line), err)
	}
	answers := splitAnswers(text)
	if deletes(line[0]) {
		answers = nonEmpty(text)
	}
	if len(answers) == 0 || answers[0] != "[6]: admin" {
		return nil, &CommandError{level, text}
	}
	if len(answers) > len(line)+1 {
		sent, _, _ := strings.Cut(b.String(), " <<\n") // what follows may be a private key
		return nil, &CommandError{sent, text}
	}
	var waiting []plan.Command
	for i, c := range line {
		answer := "" // trimmed away
		if i+1 < len(answers) {
			answer = answers[i+1]
		}
		switch {
		case accepted(c, answer):
			if m := newVersion.FindStringSubmatch(answer); m != nil {
				*version = m[1]
			}
		case c.MayWait && refused.MatchString(answer):
			waiting = append(waiting, c)
		default:
			return nil, &CommandError{c.Line, answer}
		}
	}
	return waiting, nil
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

// nonEmpty lists the lines that say something: the answers to commands that always answer with one line.
func nonEmpty(text string) []string {
	return slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
}

var (
	newVersion = regexp.MustCompile(`^(?:\[[4-6]\]: )?New version created: (\d{1,10})$`)
	severity   = regexp.MustCompile(`^\[[4-6]\]: `)     // warning, notice, info
	refused    = regexp.MustCompile(`^(\[[0-3]\]: )?.`) // said no, rather than nothing
)

// accepted compares an answer with what the command asks for. Messages of severity error and above never mean success.
func accepted(c plan.Command, answer string) bool {
	if len(c.Want) == 0 {
		return answer == ""
	}
	answer = severity.ReplaceAllString(answer, "")
	for _, w := range c.Want {
		if strings.HasPrefix(answer, w) {
			return true
		}
	}
	return false
}
