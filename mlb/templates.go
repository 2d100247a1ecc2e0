package mlb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/mlb/render"
	"berth/mlb/render/check"
)

// templateSet is a set of templates in use or to be tried.
type templateSet struct {
	texts    []render.Override
	renderer *render.Renderer
	other    []string // sections it has without any app
	problems []model.Problem
}

func newTemplateSet(opt render.Options, texts []render.Override) *templateSet {
	opt.Overrides = texts
	if opt.Check == nil {
		opt.Check = check.Fragment
	}
	t := &templateSet{texts: texts}
	t.renderer, t.problems = render.New(opt)
	base, _ := t.renderer.Render(&model.Model{Spare: &model.Spare{Ports: []int{1}}})
	t.other = haproxy.SectionsOf(base.Config())
	return t
}

// sections says which sections an output must and may have.
func (t *templateSet) sections(out *render.Output) *haproxy.Sections {
	s := &haproxy.Sections{Other: t.other}
	for _, f := range out.Fragments {
		s.Backends = append(s.Backends, f.Service.Name)
		if f.Frontend != "" {
			s.Frontends = append(s.Frontends, f.Service.Name)
		}
		if f.Userlist != "" {
			s.Userlists = append(s.Userlists, "user_"+f.Service.Name)
		}
	}
	return s
}

// loadTemplates reads the operator's templates. A set that differs from the one in use becomes the candidate of the next
// step. Texts that are not even templates are reported, and the set in use stays; only at the start, when there is none yet,
// defaults take the place of such texts.
func (l *LB) loadTemplates() {
	texts, err := Templates(l.opt.TemplateDir, l.opt.Environment)
	if err != nil {
		l.reportTemplates([]model.Problem{{Severity: model.SeverityError, Field: l.opt.TemplateDir, Reason: err.Error()}})
		return
	}
	if slices.Equal(texts, l.templates.texts) {
		l.candidate = nil
		l.reportTemplates(l.templates.problems)
		return
	}
	set := newTemplateSet(l.opt.Render, texts)
	l.reportTemplates(set.problems)
	if !hasErrors(set.problems) || l.state.Output == nil {
		l.candidate = set
	}
}

func hasErrors(list []model.Problem) bool {
	return slices.ContainsFunc(list, func(p model.Problem) bool { return p.Severity == model.SeverityError })
}

// reportTemplates shows and logs what is wrong with templates.
func (l *LB) reportTemplates(found []model.Problem) {
	for _, p := range found {
		if p.Severity == model.SeverityWarning {
			l.log.Warn("template", "source", p.Field, "reason", p.Reason)
			continue
		}
		l.log.Error("template not used", "source", p.Field, "reason", p.Reason)
	}
	l.mu.Lock()
	l.status.templateProblems = found
	l.mu.Unlock()
}

// templatesToBlame says whether HAProxy would take the attempt with the templates in use so far.
func (l *LB) templatesToBlame(ctx context.Context, a *attempt) bool {
	out, _ := l.templates.renderer.Render(a.model)
	return l.opt.Proxy.Check(ctx, *out, l.templates.sections(out)) == nil
}

// rejectTemplates gives the candidate up.
func (l *LB) rejectTemplates(refused *haproxy.CheckError) {
	var sources []string
	for _, t := range l.candidate.texts {
		sources = append(sources, t.Source)
	}
	l.candidate = nil
	l.reportTemplates([]model.Problem{{
		Severity: model.SeverityError, Field: model.Shorten(strings.Join(sources, " ")),
		Reason: "HAProxy refuses the new templates, the old ones stay: " + refused.Error(),
	}})
}

const (
	maxTemplate  = 64 << 10 // bytes of one file
	maxTemplates = 1000     // entries of the directory
	prefix       = "HAPROXY_"
	suffix       = ".tmpl"
)

// readTemplates reads the templates of a directory: HAPROXY_<NAME>, as marathon-lb names them, or <NAME>.tmpl. Other files
// are passed over. A directory that does not exist has none.
func readTemplates(dir string) ([]render.Override, error) {
	if dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	if len(entries) > maxTemplates {
		return nil, fmt.Errorf("read templates: %s has %d entries: expected at most %d", dir, len(entries), maxTemplates)
	}
	var texts []render.Override
	for _, e := range entries {
		name, ok := templateName(e.Name())
		if !ok {
			continue
		}
		file := filepath.Join(dir, e.Name())
		text, err := readTemplate(file)
		if err != nil {
			return nil, err
		}
		texts = append(texts, render.Override{Name: name, Text: text, Source: file})
	}
	return texts, nil
}

func templateName(file string) (string, bool) {
	if name, ok := strings.CutPrefix(file, prefix); ok {
		return strings.TrimSuffix(name, suffix), true
	}
	name, ok := strings.CutSuffix(file, suffix)
	return name, ok && name != ""
}

func readTemplate(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read template: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("read template %s: expected a regular file", file)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxTemplate+1))
	if err != nil {
		return "", fmt.Errorf("read template: %w", err)
	}
	if len(data) > maxTemplate {
		return "", fmt.Errorf("read template %s: more than %d bytes", file, maxTemplate)
	}
	return string(data), nil
}

// Templates lists the operator's templates: those of the directory ("" for none), then those of the environment, by name,
// which win.
func Templates(dir string, environment map[string]string) ([]render.Override, error) {
	texts, err := readTemplates(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range TemplateNames() {
		if text := environment[name]; text != "" {
			texts = append(texts, render.Override{Name: name, Text: text, Source: "environment variable " + prefix + name})
		}
	}
	return texts, nil
}

// EnvironmentTemplates finds marathon-lb's template variables, HAPROXY_<NAME>, in an environment; in their values backslash
// n stands for a line break (marathon-lb.md section 8.1).
func EnvironmentTemplates(lookup func(string) (string, bool)) map[string]string {
	found := map[string]string{}
	for _, name := range TemplateNames() {
		if text, ok := lookup(prefix + name); ok && text != "" {
			found[name] = strings.ReplaceAll(text, `\n`, "\n")
		}
	}
	return found
}

// TemplateNames are those that an operator can give, former ones included.
func TemplateNames() []string {
	var names []string
	for _, t := range render.Templates {
		if !t.Fixed {
			names = append(names, t.Name)
		}
	}
	for _, t := range render.FormerTemplates {
		names = append(names, t.Name)
	}
	return names
}
