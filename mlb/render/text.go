package render

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"berth/mlb/model"
)

// maxRendered bounds what one template may produce, in bytes.
const maxRendered = 256 << 10

// text is a compiled template. Most texts are words and variables only: these become parts that are joined; the others
// run through text/template.
type text struct {
	row   *Template
	parts []part
	tree  *template.Template
}

// part is a literal, or the variable at position index-1 of the row's, in an optional format.
type part struct {
	literal string
	index   int
	format  string
}

// execute appends the text with values put in. values are in the order of the row's variables.
func (t *text) execute(b *bytes.Buffer, values []string) error {
	if t.tree != nil {
		return t.executeTree(b, values)
	}
	for _, p := range t.parts {
		switch {
		case p.index == 0:
			b.WriteString(p.literal)
		case p.format == "":
			b.WriteString(values[p.index-1])
		default:
			b.WriteString(formatted(values[p.index-1], p.format))
		}
	}
	return nil
}

func (t *text) executeTree(b *bytes.Buffer, values []string) error {
	data := make(map[string]any, len(values))
	for i, name := range t.row.Vars {
		group, field, ok := strings.Cut(name, ".")
		if !ok {
			data[name] = values[i]
			continue
		}
		inner, _ := data[group].(map[string]any)
		if inner == nil {
			inner = make(map[string]any)
			data[group] = inner
		}
		inner[field] = values[i]
	}
	w := &limited{b: b, left: maxRendered}
	if err := t.tree.Execute(w, data); err != nil {
		return fmt.Errorf("template %s: %w", t.row.Name, err)
	}
	return nil
}

type limited struct {
	b    *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, fmt.Errorf("expected at most %d bytes of output", maxRendered)
	}
	return l.b.Write(p)
}

// compile reads a text in the language it is written in (marathon-lb.md section 20): Go's, or the one of marathon-lb's
// Python, in which a variable is {name} and doubled braces stand for single ones.
func compile(row *Template, s string) (*text, error) {
	switch {
	case looksLikeGo(s):
		return compileGo(row, s)
	case row.Literal:
		return &text{row: row, parts: []part{{literal: s}}}, nil
	}
	return compilePython(row, s)
}

func looksLikeGo(s string) bool {
	for rest := s; ; {
		_, after, ok := strings.Cut(rest, "{{")
		if !ok {
			return false
		}
		word := strings.TrimLeft(after, " \t-")
		for _, w := range []string{".", "if ", "range ", "with ", "/*", "end}}", "end }}", "else"} {
			if strings.HasPrefix(word, w) {
				return true
			}
		}
		rest = after
	}
}

// allowed are the functions of Go's templates that neither loop nor blow up the output.
var allowed = []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len"}

func compileGo(row *Template, s string) (*text, error) {
	tree, err := template.New(row.Name).Option("missingkey=error").Parse(s)
	if err != nil {
		return nil, fmt.Errorf("not a Go template: %w", err)
	}
	if tree.Tree == nil || tree.Root == nil { // nothing but comments or definitions
		return &text{row: row}, nil
	}
	if len(tree.Templates()) > 1 {
		return nil, fmt.Errorf("expected one template without definitions of others")
	}
	if err := checkNode(row, tree.Root); err != nil {
		return nil, err
	}
	if parts, ok := simple(row, tree.Root); ok {
		return &text{row: row, parts: parts}, nil
	}
	return &text{row: row, tree: tree}, nil
}

// simple turns a tree of words and variables into parts.
func simple(row *Template, list *parse.ListNode) ([]part, bool) {
	var parts []part
	for _, n := range list.Nodes {
		switch n := n.(type) {
		case *parse.TextNode:
			parts = append(parts, part{literal: string(n.Text)})
		case *parse.ActionNode:
			if len(n.Pipe.Decl) > 0 || len(n.Pipe.Cmds) != 1 || len(n.Pipe.Cmds[0].Args) != 1 {
				return nil, false
			}
			f, ok := n.Pipe.Cmds[0].Args[0].(*parse.FieldNode)
			if !ok {
				return nil, false
			}
			parts = append(parts, part{index: slices.Index(row.Vars, strings.Join(f.Ident, ".")) + 1})
		default:
			return nil, false
		}
	}
	return parts, true
}

// checkNode walks a tree and refuses what is not allowed, and variables that the template does not have.
func checkNode(row *Template, n parse.Node) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		return checkNodes(row, n.Nodes)
	case *parse.ActionNode:
		return checkNode(row, n.Pipe)
	case *parse.PipeNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Cmds {
			if err := checkNodes(row, c.Args); err != nil {
				return err
			}
		}
	case *parse.IfNode:
		return checkNodes(row, []parse.Node{n.Pipe, n.List, n.ElseList})
	case *parse.FieldNode:
		if name := strings.Join(n.Ident, "."); !known(row, name) {
			return unknownVariable(row, name)
		}
	case *parse.IdentifierNode:
		if !slices.Contains(allowed, n.Ident) {
			return fmt.Errorf("function %s is not allowed; expected one of %s", n.Ident, strings.Join(allowed, ", "))
		}
	case *parse.TextNode, *parse.StringNode, *parse.NumberNode, *parse.BoolNode, *parse.NilNode, *parse.CommentNode:
	default:
		return fmt.Errorf("%s is not allowed; expected text, variables and if", model.Shorten(n.String()))
	}
	return nil
}

func checkNodes(row *Template, nodes []parse.Node) error {
	for _, n := range nodes {
		if err := checkNode(row, n); err != nil {
			return err
		}
	}
	return nil
}

func known(row *Template, name string) bool {
	return slices.ContainsFunc(row.Vars, func(v string) bool { return v == name || strings.HasPrefix(v, name+".") })
}

func unknownVariable(row *Template, name string) error {
	if len(row.Vars) == 0 {
		return fmt.Errorf("unknown variable %q; this template has none", model.Shorten(name))
	}
	return fmt.Errorf("unknown variable %q; expected one of %s", model.Shorten(name), strings.Join(row.Vars, ", "))
}
