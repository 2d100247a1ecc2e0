package zone

import "berth/orchestrator/api"

// NamedRecord is a record with the name it belongs to.
type NamedRecord struct {
	Name string
	Type uint16
	Data Record
}

// Lister tells which records come from which task. It makes them anew for each: for reports.
type Lister struct {
	o Options
	w *writer
}

// NewLister returns a Lister for zones made with o, which must have passed Validate.
func NewLister(o Options) *Lister {
	l := &Lister{o: o}
	l.w = newWriter(&l.o)
	return l
}

// Task lists the records of the i-th task of a framework's app, sorted by name. Whether the zone serves them depends on the
// other tasks.
func (l *Lister) Task(framework string, a *api.AppInfo, i int) []NamedRecord {
	l.w.framework = framework
	one := *a
	one.Tasks = a.Tasks[i : i+1]
	l.w.app(&one, nil)
	groups, _ := l.w.take()
	var out []NamedRecord
	for _, g := range groups {
		for _, e := range g.entries {
			out = append(out, NamedRecord{g.name, e.typ, e.data})
		}
	}
	return out
}
