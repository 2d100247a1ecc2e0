package orchestrator

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/store"
)

// Index returns the revision of the last stored change.
func (o *Orchestrator) Index() uint64 { return o.st.Index() }

// Backup is the state file as it is at one revision, written to a file without a name in the data directory.
func (o *Orchestrator) Backup() (io.ReadSeekCloser, uint64, error) {
	f, index, err := o.st.Snapshot(o.opt.DataDir)
	if errors.Is(err, store.ErrClosed) {
		return nil, 0, &api.Error{Code: api.CodeUnavailable, Message: "the orchestrator is stopping"}
	}
	if err != nil {
		return nil, 0, err
	}
	return f, index, nil
}

// Apps returns all apps with everything that can be embedded, sorted by id.
func (o *Orchestrator) Apps() []*api.AppInfo {
	records, _ := o.st.Apps()
	out := make([]*api.AppInfo, 0, len(records))
	for _, a := range records {
		if info := a.Info(); info != nil {
			out = append(out, info)
		}
	}
	return out
}

// Leaving returns the apps that are deleted, but of which tasks still live: as they were when the last was started.
func (o *Orchestrator) Leaving() []*api.AppInfo {
	records, _ := o.st.Apps()
	var out []*api.AppInfo
	for _, a := range records {
		if a.Def != nil || len(a.Tasks) == 0 {
			continue
		}
		info := &api.AppInfo{App: *a.Tasks[len(a.Tasks)-1].Def}
		for _, t := range a.Tasks {
			info.Tasks = append(info.Tasks, t.View())
		}
		out = append(out, info)
	}
	return out
}

// App returns one app.
func (o *Orchestrator) App(id string) (*api.AppInfo, bool) {
	if a := o.st.App(id); a != nil && a.Def != nil {
		return a.Info(), true
	}
	return nil, false
}

// Versions lists an app's versions in its present life, newest first, at most 50.
func (o *Orchestrator) Versions(id string) ([]api.Timestamp, error) {
	a := o.st.App(id)
	if a == nil || a.Def == nil {
		return nil, api.NotFound("App", id)
	}
	out := make([]api.Timestamp, 0, len(a.Versions))
	for _, def := range slices.Backward(a.Versions) {
		out = append(out, def.Version)
	}
	return out, nil
}

// Version returns an app as it was in one of its versions.
func (o *Orchestrator) Version(id string, v api.Timestamp) (*api.App, error) {
	a := o.st.App(id)
	if a == nil || a.Def == nil {
		return nil, api.NotFound("App", id)
	}
	for _, def := range a.Versions {
		if def.Version == v {
			return def, nil
		}
	}
	err := api.NotFound("App", id)
	err.Message += " in version " + v.String()
	return nil, err
}

// Queue lists the apps whose launches are outstanding, with the reasons, sorted by id.
func (o *Orchestrator) Queue() []api.QueueEntry {
	now := o.opt.Now()
	o.mu.Lock()
	waits := make(map[string]waitInfo, len(o.waiting))
	for id, w := range o.waiting {
		waits[id] = *w
	}
	o.mu.Unlock()
	out := []api.QueueEntry{}
	for id, w := range waits {
		a := o.st.App(id)
		if a == nil || a.Def == nil {
			continue
		}
		left := max(0, int(math.Ceil(w.Until.Sub(now).Seconds())))
		role := a.Def.Role
		if role == "" {
			role = "*"
		}
		out = append(out, api.QueueEntry{
			Count: w.Count, Delay: api.QueueDelay{TimeLeftSeconds: left, Overdue: left == 0},
			Since: api.TimestampOf(w.since), Role: role, App: a.Def, Explain: w.Sentences(now),
			ProcessedOffersSummary: api.OffersSummary{
				ProcessedOffersCount: w.processed, UnusedOffersCount: w.unused,
				LastUnusedOfferAt: api.TimestampOf(w.lastUnused), LastUsedOfferAt: api.TimestampOf(w.lastUsed),
				RejectSummaryLastOffers: w.Rejects, RejectSummaryLaunchAttempt: w.Rejects,
			},
		})
	}
	slices.SortFunc(out, func(a, b api.QueueEntry) int { return cmpText(a.App.ID, b.App.ID) })
	return out
}

// ResetDelay makes an app that waits after failures start at once.
func (o *Orchestrator) ResetDelay(id string) error {
	o.mu.Lock()
	_, waits := o.waiting[id]
	o.mu.Unlock()
	missing := &api.Error{Code: api.CodeNotFound, Message: "App '" + id + "' does not exist in the launch queue"}
	if !waits {
		return missing
	}
	_, err := o.st.Update(func(tx *store.Tx) error {
		a := tx.App(id)
		if a == nil || a.Def == nil {
			return missing
		}
		c := a.Clone()
		c.Backoff = store.Backoff{}
		tx.PutApp(c)
		return nil
	})
	return err
}

// Logs reads a task's output, also for a while after its end.
func (o *Orchestrator) Logs(ctx context.Context, taskID string, opt driver.LogOptions) (io.ReadCloser, error) {
	_, t := o.st.Task(taskID)
	if t == nil {
		return nil, api.NotFound("Task", taskID)
	}
	l := o.link(t.Agent, t.Kind)
	if l == nil {
		return nil, &api.Error{Code: api.CodeUnavailable, Message: "agent " + t.Agent + " is not part of the cluster any more"}
	}
	r, err := l.drv.Logs(ctx, taskID, opt)
	if errors.Is(err, driver.ErrNotFound) {
		return nil, api.NotFound("Task", taskID)
	}
	return r, err
}

// Config holds the values that /v2/info shows as marathon_config (marathon-api.md section 8.5).
func (o *Orchestrator) Config() map[string]any {
	return map[string]any{
		"framework_name":                  o.opt.Name,
		"hostname":                        o.opt.HostName,
		"http_port":                       o.opt.ListenPort,
		"https_port":                      0,
		"ha":                              false,
		"checkpoint":                      true,
		"mesos_role":                      "*",
		"default_accepted_resource_roles": []string{"*"},
		"features":                        []string{},
		"local_port_min":                  o.opt.LocalPortMin,
		"local_port_max":                  o.opt.LocalPortMax,
		"executor":                        "//cmd",
		"task_launch_timeout":             o.opt.LaunchTimeout.Milliseconds(),
		"task_reservation_timeout":        20000,
		"max_running_deployments":         o.opt.MaxDeployments,
		"env_vars_prefix":                 o.opt.EnvPrefix,
	}
}
