package plan

import (
	"slices"
	"strings"

	"berth/mlb/render"
)

// shared compares the sections that belong to no service.
func (d *diff) shared(from, to []render.Section) {
	text := func(list []render.Section, name string) string {
		for _, s := range list {
			if s.Name == name {
				return s.Text
			}
		}
		return ""
	}
	for _, s := range from {
		d.text(s.Text, text(to, s.Name))
	}
	for _, s := range to {
		if text(from, s.Name) == "" {
			d.text("", s.Text)
		}
	}
}

// block is one section of a text, by its header line.
type block struct {
	header string
	lines  []string
}

// blocks splits a text into sections. Sections begin at the line's first column here, as our own texts have it; an
// operator's text that is written otherwise becomes one long section, which changes words of reasons and nothing else.
func blocks(text string) []block {
	var list []block
	for line := range strings.SplitSeq(text, "\n") {
		words := strings.Join(strings.Fields(line), " ")
		switch {
		case words == "" || words[0] == '#':
		case len(list) == 0 || line[0] != ' ' && line[0] != '\t':
			list = append(list, block{header: words})
		default:
			last := &list[len(list)-1]
			last.lines = append(last.lines, words)
		}
	}
	return list
}

// text gives a reason for everything in which two texts differ.
func (d *diff) text(from, to string) {
	if from == to {
		return
	}
	before := len(d.reasons)
	was, is := blocks(from), blocks(to)
	for _, w := range was {
		at := slices.IndexFunc(is, func(b block) bool { return b.header == w.header })
		if at < 0 {
			d.because("%s is gone", w.header)
			continue
		}
		for _, keyword := range changedKeywords(w.lines, is[at].lines) {
			d.because("%s of %s changed", keyword, w.header)
		}
		is = slices.Delete(is, at, at+1)
	}
	for _, b := range is {
		d.because("%s is new", b.header)
	}
	if len(d.reasons) == before && strings.Join(strings.Fields(from), " ") != strings.Join(strings.Fields(to), " ") {
		d.because("the order of lines in %s changed", header(to, from))
	}
}

func header(texts ...string) string {
	for _, t := range texts {
		if list := blocks(t); len(list) > 0 {
			return list[0].header
		}
	}
	return "the configuration"
}

// changedKeywords are the keywords whose lines differ, each once, in order of appearance.
func changedKeywords(from, to []string) []string {
	var list []string
	note := func(lines, others []string) {
		others = slices.Clone(others)
		for _, l := range lines {
			if at := slices.Index(others, l); at >= 0 {
				others = slices.Delete(others, at, at+1)
				continue
			}
			if k := keyword(l); !slices.Contains(list, k) {
				list = append(list, k)
			}
		}
	}
	note(from, to)
	note(to, from)
	return list
}

// keyword is what a line sets: some keywords need their second word to say it.
func keyword(line string) string {
	first, rest, _ := strings.Cut(line, " ")
	switch first {
	case "option", "timeout", "stats", "no":
		second, _, _ := strings.Cut(rest, " ")
		return first + " " + second
	}
	return first
}
