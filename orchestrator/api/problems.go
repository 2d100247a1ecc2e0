package api

import (
	"fmt"
	"strconv"
	"unicode"
)

// Messages of CodeInvalid (section 2).
const (
	messageInvalidJSON   = "Invalid JSON"
	messageInvalidObject = "Object is not valid"
)

// maxReported bounds the places one answer names, so that a hostile document cannot make the answer much larger than
// itself.
const maxReported = 500

// problems collects what is wrong with a document, in the order found, one Detail for each path.
type problems struct {
	list  []Detail
	index map[string]int
	more  int // places beyond maxReported
}

func (p *problems) add(path, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if i, ok := p.index[path]; ok {
		p.list[i].Errors = append(p.list[i].Errors, text)
		return
	}
	if len(p.list) == maxReported {
		p.more++
		return
	}
	if p.index == nil {
		p.index = map[string]int{}
	}
	p.index[path] = len(p.list)
	p.list = append(p.list, Detail{Path: path, Errors: []string{text}})
}

func (p *problems) empty() bool { return len(p.list) == 0 }

// err returns nil when there are no problems.
func (p *problems) err(message string) error {
	if p.empty() {
		return nil
	}
	details := p.list
	if p.more > 0 {
		details = append(details, Detail{Path: "/", Errors: []string{fmt.Sprintf("and %d more places", p.more)}})
	}
	return &Error{Code: CodeInvalid, Message: message, Details: details}
}

// child is the path of a field of the object at path.
func child(path, field string) string {
	if path == "/" {
		path = ""
	}
	return path + "/" + printable(field)
}

// item is the path of a position in the list at path.
func item(path string, i int) string {
	return path + "(" + strconv.Itoa(i) + ")"
}

// printable returns a field name fit for a path, a log line and a response header: names with odd characters are
// quoted, long ones cut.
func printable(name string) string {
	const longest = 100
	cut := name
	if len(cut) > longest {
		cut = cut[:longest] + "..."
	}
	for _, r := range cut {
		if r >= unicode.MaxASCII || !unicode.IsPrint(r) {
			return strconv.QuoteToASCII(cut)
		}
	}
	return cut
}

// quote returns a value fit for a message.
func quote(s string) string {
	const longest = 100
	if len(s) > longest {
		return strconv.QuoteToASCII(s[:longest]) + "..."
	}
	return strconv.QuoteToASCII(s)
}

// addAll takes over what another collection found.
func (p *problems) addAll(other problems) {
	for _, d := range other.list {
		for _, text := range d.Errors {
			p.add(d.Path, "%s", text)
		}
	}
	p.more += other.more
}
