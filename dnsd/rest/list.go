package rest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"

	"berth/dnsd/zone"
)

type recordRow struct {
	Name  string `json:"name"`
	Host  string `json:"host"`
	Rtype string `json:"rtype"`
}

type taskRow struct {
	Name    string      `json:"name"`
	ID      string      `json:"id"`
	Records []recordRow `json:"records"`
}

type frameworkRow struct {
	Name  string    `json:"name"`
	Tasks []taskRow `json:"tasks"`
}

func row(name string, typ uint16, r *zone.Record) recordRow {
	host := r.Target + "."
	switch typ {
	case zone.TypeA, zone.TypeAAAA:
		host = r.Addr.String()
	case zone.TypeSRV:
		host = fmt.Sprintf("%s.:%d", r.Target, r.Port)
	}
	return recordRow{name + ".", host, zone.TypeName(typ)}
}

// enumerate lists the records by task. One that two tasks share is listed under the first.
func (h *handler) enumerate(w http.ResponseWriter, _ *http.Request, z *zone.Zone) {
	lister, seen, out := zone.NewLister(h.o.Zone), map[recordRow]bool{}, []frameworkRow{}
	for _, f := range h.o.Daemon.Frameworks(h.o.Zone.Framework) {
		row := frameworkRow{Name: f.Name, Tasks: []taskRow{}}
		for _, a := range f.Apps {
			for i := range a.Tasks {
				if t := listed(z, lister.Task(f.Name, a, i), seen); len(t) > 0 {
					row.Tasks = append(row.Tasks, taskRow{a.ID, a.Tasks[i].ID, t})
				}
			}
		}
		out = append(out, row)
	}
	writeJSON(w, 200, map[string]any{"frameworks": out})
}

// listed are the records of a task that are served and not listed yet.
func listed(z *zone.Zone, records []zone.NamedRecord, seen map[recordRow]bool) (out []recordRow) {
	for _, r := range records {
		rr := row(r.Name, r.Type, &r.Data)
		if r.Type == zone.TypePTR || seen[rr] || !served(z, &r) {
			continue
		}
		seen[rr] = true
		out = append(out, rr)
	}
	return out
}

func served(z *zone.Zone, r *zone.NamedRecord) bool {
	for _, have := range recordsOf(z, r.Name, r.Type) {
		if have == r.Data {
			return true
		}
	}
	return false
}

// axfr lists the main zone as Mesos-DNS does.
func (h *handler) axfr(w http.ResponseWriter, _ *http.Request, z *zone.Zone) {
	out := map[string]map[string][]string{"As": {}, "AAAAs": {}, "SRVs": {}}
	for _, n := range z.Sorted(z.Domain()) {
		for i := range n.Sets {
			set := &n.Sets[i]
			list, ok := out[zone.TypeName(set.Type)+"s"]
			if !ok {
				continue
			}
			for _, r := range set.Records() {
				list[n.Name+"."] = append(list[n.Name+"."], row("", set.Type, &r).Host)
			}
		}
	}
	writeJSON(w, 200, map[string]any{
		"TTL": h.o.Zone.TTL, "Serial": z.Serial(), "RefreshSeconds": h.o.RefreshSec, "Mname": h.o.Zone.SOA.Mname + ".",
		"Rname": h.o.Zone.SOA.Rname + ".", "Domain": z.Domain(), "Records": out,
	})
}

// records lists everything, row by row, so that the whole is never in memory.
func (h *handler) records(w http.ResponseWriter, _ *http.Request, z *zone.Zone) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	b := bufio.NewWriter(w)
	sep := "["
	for n := range z.Nodes {
		for i := range n.Sets {
			set := &n.Sets[i]
			for _, r := range set.Records() {
				text, err := json.Marshal(row(n.Name, set.Type, &r))
				if err != nil {
					return
				}
				fmt.Fprintf(b, "%s%s", sep, text)
				sep = ",\n"
			}
		}
	}
	if sep == "[" {
		fmt.Fprint(b, sep)
	}
	fmt.Fprintln(b, "]")
	_ = b.Flush() // the client is gone
}
