// Package check reads with HAProxy's own grammar, as config-parser knows it, what apps and operators wrote themselves. It
// does no I/O; it stands apart from render because the parser's packages import net and os.
//
//	render.Options.Check = check.Fragment
package check

import (
	"fmt"
	"slices"
	"strings"

	parser "github.com/haproxytech/config-parser/v5"
	"github.com/haproxytech/config-parser/v5/options"
	"github.com/haproxytech/config-parser/v5/types"

	"berth/mlb/render"
)

// sections are those that a text could open.
var sections = []parser.Section{
	parser.Frontends, parser.Backends, parser.UserList, parser.Listen, parser.Defaults, parser.Resolvers, parser.Peers,
	parser.Mailers, parser.Cache, parser.Program, parser.HTTPErrors, parser.Ring, parser.LogForward, parser.FCGIApp,
}

// maxLine is what the parser reads of a line; it would stop at a longer one without a word.
const maxLine = 60 << 10

// Fragment parses the whole text of one service and reports whatever is not its own userlist, frontend and backend.
func Fragment(f *render.Fragment) error {
	var b strings.Builder
	b.WriteString(f.Userlist + f.Frontend + f.Backend)
	for _, l := range f.Servers {
		b.WriteString(l.Line)
	}
	want := map[parser.Section]string{parser.Backends: f.Service.Name}
	if f.Frontend != "" {
		want[parser.Frontends] = f.Service.Name
	}
	if f.Userlist != "" {
		want[parser.UserList] = "user_" + f.Service.Name
	}
	p, err := parse(b.String())
	if err != nil {
		return err
	}
	for _, section := range sections {
		if err := only(p, section, want[section]); err != nil {
			return err
		}
	}
	return binds(p, f)
}

// parse never panics: the parser indexes words of lines it does not expect.
func parse(text string) (p parser.Parser, err error) {
	for line := range strings.Lines(text) {
		if len(line) > maxLine {
			return nil, fmt.Errorf("expected at most %d bytes in a line", maxLine)
		}
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the text cannot be parsed: %v", r)
		}
	}()
	return parser.New(options.String(text), options.UseListenSectionParsers)
}

// only checks that a section type occurs under one name, or not at all.
func only(p parser.Parser, section parser.Section, name string) error {
	names, err := p.SectionsGet(section)
	if err != nil && name == "" {
		return nil // none of this type
	}
	if name != "" && !slices.Contains(names, name) {
		return fmt.Errorf("expected a section %s %s", section, name)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == name || n == "" })
	if len(names) > 0 {
		return fmt.Errorf("the text opens the section %s %s", section, names[0])
	}
	return nil
}

// binds checks that the frontend listens once: a second port would be nobody's to watch over.
func binds(p parser.Parser, f *render.Fragment) error {
	if f.Frontend == "" {
		return nil
	}
	data, err := p.Get(parser.Frontends, f.Service.Name, "bind")
	if err != nil {
		return fmt.Errorf("expected the frontend to have a bind line: %w", err)
	}
	list, ok := data.([]types.Bind)
	if !ok || len(list) != 1 || !strings.HasSuffix(list[0].Path, fmt.Sprintf(":%d", f.Service.Port)) {
		return fmt.Errorf("expected one bind line, on port %d", f.Service.Port)
	}
	return nil
}
