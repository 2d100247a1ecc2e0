package plan

import (
	"bytes"
	"path"
	"strings"

	"berth/mlb/render"
)

const (
	// maxPayload bounds one command, which must fit into HAProxy's buffer of 16 KiB.
	maxPayload = 8 << 10
	// maxSingle is how many changed lines are sent one by one; beyond it the whole map is replaced at once.
	maxSingle = 256
)

// entry is one line of a map.
type entry struct{ key, value string }

func entries(data []byte) []entry {
	list := make([]entry, 0, bytes.Count(data, []byte{'\n'}))
	for line := range strings.Lines(string(data)) {
		if k, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " "); ok {
			list = append(list, entry{k, v})
		}
	}
	return list
}

// maps compares the map files. A map that is new or gone shows in the configuration as well, so that is not asked here.
func (d *diff) maps(from, to []render.Map) {
	was := make(map[string][]byte, len(from))
	for _, m := range from {
		was[m.Name] = m.Data
	}
	for _, m := range to {
		data, ok := was[m.Name]
		switch {
		case m.Name == render.CertList: // see certList
		case !ok || bytes.Equal(data, m.Data):
		case m.Name == render.CheckMap: // before the servers that are checked
			late := d.changes
			d.changes = nil
			d.mapFile(path.Join(d.opt.MapDir, m.Name), data, m.Data)
			d.checks, d.changes = d.changes, late
		default:
			d.mapFile(path.Join(d.opt.MapDir, m.Name), data, m.Data)
		}
	}
}

// certList compares the list of certificates by virtual host: HAProxy reads it when it starts.
func (d *diff) certList(from, to []render.Map) {
	text := func(list []render.Map) []byte {
		for _, m := range list {
			if m.Name == render.CertList {
				return m.Data
			}
		}
		return nil
	}
	if was, now := text(from), text(to); was != nil && now != nil && !bytes.Equal(was, now) {
		d.because("certificates or TLS options of virtual hosts changed")
	}
}

// differ cuts off the lines that two texts have in common at their beginning and at their end.
func differ(from, to []byte) ([]byte, []byte) {
	n, most := 0, min(len(from), len(to))
	for n < most && from[n] == to[n] {
		n++
	}
	n = bytes.LastIndexByte(from[:n], '\n') + 1
	from, to, most = from[n:], to[n:], most-n
	n = 0
	for n < most && from[len(from)-1-n] == to[len(to)-1-n] {
		n++
	}
	if !beginsLine(from, len(from)-n) || !beginsLine(to, len(to)-n) { // the end of a line that is longer in one of them
		n -= bytes.IndexByte(from[len(from)-n:], '\n') + 1
	}
	return from[:len(from)-n], to[:len(to)-n]
}

func beginsLine(text []byte, at int) bool { return at == 0 || text[at-1] == '\n' }

// mapFile changes one map: key by key when little changed, in one transaction otherwise. No key is in a file twice, so what
// is equal at both ends need not be looked at.
func (d *diff) mapFile(file string, was, is []byte) {
	before, after := differ(was, is)
	from, to := entries(before), entries(after)
	old := make(map[string]string, len(from))
	for _, e := range from {
		old[e.key] = e.value
	}
	var added []entry
	var set, del []Command
	for _, e := range to {
		value, ok := old[e.key]
		delete(old, e.key)
		switch {
		case !ok:
			added = append(added, e)
		case value != e.value:
			set = append(set, Command{Line: "set map " + file + " " + escape(e.key) + " " + escape(e.value)})
		}
	}
	for _, e := range from {
		if _, ok := old[e.key]; ok {
			del = append(del, Command{Line: "del map " + file + " " + escape(e.key)})
		}
	}
	if len(added)+len(set)+len(del) > maxSingle {
		d.replaceMap(file, entries(is))
		return
	}
	d.changes = append(d.changes, addEntries("add map "+file, added)...)
	d.changes = append(append(d.changes, set...), del...)
}

// replaceMap swaps the whole content at once (HAProxy 2.4 and later).
func (d *diff) replaceMap(file string, to []entry) {
	d.changes = append(d.changes, Command{Line: "prepare map " + file, Want: []string{"New version created: "}})
	d.changes = append(d.changes, addEntries("add map @{version} "+file, to)...)
	d.changes = append(d.changes, Command{Line: "commit map @{version} " + file})
}

// addEntries sends entries as payload, in which nothing needs escaping.
func addEntries(line string, list []entry) []Command {
	var commands []Command
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			commands = append(commands, Command{Line: line, Payload: b.String()})
			b.Reset()
		}
	}
	for _, e := range list {
		if b.Len()+len(e.key)+len(e.value)+2 > maxPayload {
			flush()
		}
		b.WriteString(e.key + " " + e.value + "\n")
	}
	flush()
	return commands
}

var escaper = strings.NewReplacer(`\`, `\\`, `;`, `\;`, ` `, `\ `)

// escape writes one word of a command (management guide section 9.3).
func escape(s string) string { return escaper.Replace(s) }
