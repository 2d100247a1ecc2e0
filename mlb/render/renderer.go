package render

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"berth/mlb/legacy"
	"berth/mlb/model"
	"berth/templates"
)

// Renderer renders models one after the other and keeps the fragments of services that did not change. It is not safe
// for use by several goroutines.
type Renderer struct {
	opt      Options
	texts    map[string]*text
	replaced map[string]bool // by an operator
	cache    map[*model.Service]*cached
	last     []*cached // of the last round, in the model's order
	round    int
	maps     mapCache
	own      ownCache
}

// cached is what a service gave, in which round it was last used.
type cached struct {
	service  *model.Service
	fragment *Fragment
	err      error
	round    int
}

// defaultTexts are the embedded templates.
var defaultTexts = func() map[string]*text {
	m := make(map[string]*text, len(Templates))
	for i := range Templates {
		row := &Templates[i]
		data, err := templates.Files.ReadFile(row.Name + ".tmpl")
		if err != nil {
			panic(err)
		}
		if m[row.Name], err = compileGo(row, string(data)); err != nil {
			panic(fmt.Sprintf("template %s: %v", row.Name, err))
		}
	}
	return m
}()

// New returns a Renderer. An override that cannot be used is reported and the default stays in its place.
func New(opt Options) (*Renderer, []model.Problem) {
	r := &Renderer{
		opt: opt.defaults(), texts: make(map[string]*text, len(Templates)), replaced: make(map[string]bool),
		cache: make(map[*model.Service]*cached),
	}
	for name, t := range defaultTexts {
		r.texts[name] = t
	}
	var found []model.Problem
	for _, o := range opt.Overrides {
		p := model.Problem{Field: model.Shorten(o.Source), Severity: model.SeverityWarning} // texts may hold passwords
		if f := formerByName[o.Name]; f != nil {
			p.Reason = fmt.Sprintf("template %s has no effect: %s", f.Name, f.Why)
			found = append(found, p)
			continue
		}
		text, notes, err := legacy.Translate(o.Text)
		if err == nil {
			o.Text = text
			err = r.override(o)
		}
		for _, n := range notes {
			p.Reason = fmt.Sprintf("template %s: %s", model.Shorten(o.Name), n)
			found = append(found, p)
		}
		if err != nil {
			p.Severity = model.SeverityError
			p.Reason = fmt.Sprintf("template %s: %v; the default is used", model.Shorten(o.Name), err)
			found = append(found, p)
		}
	}
	return r, found
}

func (r *Renderer) override(o Override) error {
	row := templateByName[o.Name]
	switch {
	case row == nil:
		return fmt.Errorf("there is no such template")
	case row.Fixed:
		return fmt.Errorf("this template cannot be replaced")
	}
	t, err := compile(row, o.Text)
	if err != nil {
		return err
	}
	if err := tryOut(t); err != nil {
		return err
	}
	r.texts[o.Name], r.replaced[o.Name] = t, true
	return nil
}

// tryOut runs an operator's text once with stand-ins, so that a text which would spoil every service is found before it
// does.
func tryOut(t *text) error {
	values := make([]string, len(t.row.Vars))
	for i := range values {
		values[i] = "1"
	}
	var b bytes.Buffer
	if err := t.execute(&b, values); err != nil {
		return err
	}
	opens := t.row.Opens
	for line := range strings.SplitSeq(b.String(), "\n") {
		word := firstWord(line)
		switch {
		case word == "" || t.row.Kind == Sections && t.row.Opens == "":
		case opens != "":
			if word != opens {
				return fmt.Errorf("expected the text to begin with %s, not with %q", opens, model.Shorten(line))
			}
			opens = ""
		case opensSection(word):
			return fmt.Errorf("line %q would leave the section", model.Shorten(line))
		}
	}
	if opens != "" {
		return fmt.Errorf("expected the text to begin with %s", opens)
	}
	return nil
}

// Files renders one model with default memory: none.
func Files(m *model.Model, opt Options) (*Output, []model.Problem) {
	r, found := New(opt)
	out, more := r.Render(m)
	return out, append(found, more...)
}

// Render writes m down. A service whose text cannot be made is left out with its routes and reported.
func (r *Renderer) Render(m *model.Model) (*Output, []model.Problem) {
	r.round++
	out := &Output{Fragments: make([]*Fragment, 0, len(m.Services))}
	var found []model.Problem
	missing := make(map[string]bool)
	r.services(m.Services)
	for _, c := range r.last {
		if s := c.service; c.err != nil {
			missing[s.Name] = true
			found = append(found, failure(s, c.err, "the port is left out"))
			continue
		}
		out.Fragments = append(out.Fragments, c.fragment)
	}
	r.forget(len(m.Services))
	rules, more := r.ownRules(m, missing)
	found = append(found, more...)
	out.Maps, out.Own = r.mapFiles(m, missing, rules), rules.routes
	return out, append(found, r.assemble(out, rules, m.Spare)...)
}

// templateError is an error with the template that caused it.
type templateError struct {
	name string
	err  error
}

func (e templateError) Error() string { return e.err.Error() }
func (e templateError) Unwrap() error { return e.err }

// failure reports an error of one service and what it leads to.
func failure(s *model.Service, err error, what string) model.Problem {
	p := model.Problem{App: s.App, Severity: model.SeverityError, Reason: err.Error() + "; " + what}
	if te := (templateError{}); errors.As(err, &te) {
		p.Field = fmt.Sprintf("HAPROXY_%d_%s", s.Index, te.name)
		if te.name != "USERLIST_HEAD" { // it holds a password
			p.Value = model.Shorten(s.Templates[te.name])
		}
		if s.Templates[te.name] == "" {
			p.Field = te.name
		}
	}
	return p
}

// services makes the fragments that are not there yet, on all processors: they do not touch one another.
func (r *Renderer) services(list []*model.Service) {
	var fresh []*cached
	all := make([]*cached, len(list))
	at := 0 // in r.last: most services are where they were, or next to it
	for i, s := range list {
		var c *cached
		switch {
		case at < len(r.last) && r.last[at].service == s:
			c = r.last[at]
		case at+1 < len(r.last) && r.last[at+1].service == s:
			at++
			c = r.last[at]
		default:
			if c = r.cache[s]; c == nil {
				c = &cached{service: s}
				r.cache[s] = c
				fresh = append(fresh, c)
			}
		}
		c.round = r.round
		all[i] = c
		if at < len(r.last) && (r.last[at] == c || r.last[at].service.Name == s.Name) {
			at++
		}
	}
	r.last = all
	const share = 32 // services taken at a time
	var next atomic.Int64
	work := func() {
		for {
			to := int(next.Add(share))
			from := to - share
			if from >= len(fresh) {
				return
			}
			for _, c := range fresh[from:min(to, len(fresh))] {
				c.fragment, c.err = r.fragment(c.service)
			}
		}
	}
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0)-1, len(fresh)/share) {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

// forget drops what this round did not use, when that is most of the cache.
func (r *Renderer) forget(used int) {
	if len(r.cache) <= 2*used+16 {
		return
	}
	for s, c := range r.cache {
		if c.round != r.round {
			delete(r.cache, s)
		}
	}
}

// put appends the text of one template for s and makes sure that it ends as its place asks.
func (r *Renderer) put(b *bytes.Buffer, s *model.Service, name string, values ...string) error {
	t := r.texts[name]
	own := false
	if s != nil && len(s.Templates) > 0 && t.row.Label {
		if label, ok := s.Templates[name]; ok {
			own = true
			var err error
			if t, err = compile(t.row, label); err != nil {
				return templateError{name, err}
			}
		}
	}
	from := b.Len()
	if err := t.execute(b, values); err != nil {
		return templateError{name, err}
	}
	if own || r.replaced[name] {
		if err := tidy(b, from, t.row, own); err != nil {
			return templateError{name, err}
		}
	}
	return nil
}

// tidy ends a block with one line break and, for the text of an app, checks its lines.
func tidy(b *bytes.Buffer, from int, row *Template, own bool) error {
	piece := string(bytes.TrimRight(b.Bytes()[from:], "\n"))
	b.Truncate(from)
	if row.Kind == Words {
		b.WriteString(piece)
		if !own {
			return nil
		}
		if err := checkWords(piece); err != nil {
			return err
		}
		return checkReach(piece)
	}
	if piece != "" {
		b.WriteString(piece)
		b.WriteByte('\n')
	}
	if own {
		return checkLines(piece, row)
	}
	return nil
}
