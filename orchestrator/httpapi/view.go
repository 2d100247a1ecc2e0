package httpapi

import (
	"bytes"
	"strconv"
	"time"

	"berth/orchestrator/api"
)

// view writes apps as a read shows them. It appends to a buffer rather than building values: the list of all apps with
// their tasks is what every follower reads, and the tasks are nearly all of it.
type view struct {
	embeds
	now    time.Time // for the life times of taskStats
	legacy bool      // see Options.LegacyFields
}

func (s *Server) view(e embeds) view {
	return view{embeds: e, now: s.opt.Now(), legacy: s.opt.LegacyFields}
}

// apps writes {"<key>":[…]}.
func (v view) apps(buf *bytes.Buffer, key string, apps []*api.AppInfo) error {
	buf.WriteString(`{"` + key + `":[`)
	for i, a := range apps {
		if i > 0 {
			buf.WriteByte(',')
		}
		if err := v.app(buf, a); err != nil {
			return err
		}
	}
	buf.WriteString("]}")
	return nil
}

// app writes the definition and the embedded parts as one object.
func (v view) app(buf *bytes.Buffer, a *api.AppInfo) error {
	def := filled(&a.App)
	if v.legacy {
		def = withLegacy(def)
	}
	if err := encode(buf, def); err != nil {
		return err
	}
	buf.Truncate(buf.Len() - 1) // go on inside the object
	if v.counts {
		writeCounts(buf, a)
	}
	if v.tasks {
		buf.WriteString(`,"tasks":`)
		writeTasks(buf, a.Tasks)
	}
	if err := v.rest(buf, a); err != nil {
		return err
	}
	buf.WriteByte('}')
	return nil
}

// rest writes the parts that are small or seldom asked for.
func (v view) rest(buf *bytes.Buffer, a *api.AppInfo) error {
	if v.deployments {
		buf.WriteString(`,"deployments":`)
		if err := encode(buf, list(a.Deployments)); err != nil {
			return err
		}
	}
	if v.lastTaskFailure && a.LastTaskFailure != nil {
		buf.WriteString(`,"lastTaskFailure":`)
		if err := encode(buf, a.LastTaskFailure); err != nil {
			return err
		}
	}
	if v.readiness {
		buf.WriteString(`,"readinessCheckResults":`)
		if err := encode(buf, list(a.ReadinessCheckResults)); err != nil {
			return err
		}
	}
	if !v.taskStats {
		return nil
	}
	var stats bytes.Buffer
	if err := encode(&stats, statsOf(a, v.now)); err != nil {
		return err
	}
	for _, name := range []string{"taskStats", "tasksStats"} { // both spellings are in use
		buf.WriteString(`,"` + name + `":`)
		buf.Write(stats.Bytes())
	}
	return nil
}

func writeCounts(buf *bytes.Buffer, a *api.AppInfo) {
	for _, n := range []struct {
		key   string
		value *int
	}{
		{"tasksStaged", a.TasksStaged},
		{"tasksRunning", a.TasksRunning},
		{"tasksHealthy", a.TasksHealthy},
		{"tasksUnhealthy", a.TasksUnhealthy},
	} {
		buf.WriteString(`,"` + n.key + `":`)
		value := 0
		if n.value != nil {
			value = *n.value
		}
		buf.WriteString(strconv.Itoa(value))
	}
}
