package httpapi

import "berth/orchestrator/api"

// filled returns a with an empty list or map wherever clients index one unguarded: marathon-lb deletes null keys and then
// reads them. a itself is not changed.
func filled(a *api.App) *api.App {
	out := *a
	out.Networks = list(a.Networks)
	if a.PortDefinitions != nil {
		out.PortDefinitions = append([]api.PortDefinition{}, a.PortDefinitions...)
		for i := range out.PortDefinitions {
			out.PortDefinitions[i].Labels = labels(out.PortDefinitions[i].Labels)
		}
	}
	out.Labels = labels(a.Labels)
	if a.Container != nil {
		out.Container = filledContainer(a.Container)
	}
	return &out
}

// withLegacy returns a with the fields that Marathon had before 1.5: its service ports and what it fetches, as plain
// lists.
func withLegacy(a *api.App) *api.App {
	out := *a
	out.Ports = a.ServicePorts()
	for _, f := range a.Fetch {
		out.URIs = append(out.URIs, f.URI)
	}
	return &out
}

func filledContainer(c *api.Container) *api.Container {
	out := *c
	out.Volumes = list(c.Volumes)
	out.PortMappings = append([]api.PortMapping{}, c.PortMappings...)
	for i := range out.PortMappings {
		out.PortMappings[i].Labels = labels(out.PortMappings[i].Labels)
	}
	if c.Docker != nil {
		d := *c.Docker
		d.Parameters = list(d.Parameters)
		out.Docker = &d
	}
	return &out
}

// filledTask is filled for a task.
func filledTask(t api.Task) api.Task {
	t.Ports = list(t.Ports)
	t.IPAddresses = list(t.IPAddresses)
	t.LocalVolumes = list(t.LocalVolumes)
	return t
}

func filledTasks(tasks []api.Task) []api.Task {
	out := make([]api.Task, len(tasks))
	for i, t := range tasks {
		out[i] = filledTask(t)
	}
	return out
}

func filledDeployment(d api.Deployment) api.Deployment {
	d.AffectedApps = list(d.AffectedApps)
	d.AffectedPods = list(d.AffectedPods)
	d.Steps = filledSteps(d.Steps)
	actions := make([]api.DeploymentAction, len(d.CurrentActions))
	for i, a := range d.CurrentActions {
		a.ReadinessCheckResults = list(a.ReadinessCheckResults)
		actions[i] = a
	}
	d.CurrentActions = actions
	d.Gates, d.WaitingFor = list(d.Gates), list(d.WaitingFor)
	return d
}

func filledSteps(steps []api.DeploymentStep) []api.DeploymentStep {
	out := make([]api.DeploymentStep, len(steps))
	for i, st := range steps {
		out[i].Actions = list(st.Actions)
	}
	return out
}

func filledQueueEntry(q api.QueueEntry) api.QueueEntry {
	if q.App != nil {
		q.App = filled(q.App)
	}
	q.Explain = list(q.Explain)
	sum := &q.ProcessedOffersSummary
	sum.RejectSummaryLastOffers = list(sum.RejectSummaryLastOffers)
	sum.RejectSummaryLaunchAttempt = list(sum.RejectSummaryLaunchAttempt)
	return q
}

func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func labels(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
