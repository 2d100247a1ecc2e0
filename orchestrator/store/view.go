package store

import "berth/orchestrator/api"

// Info returns the read representation of a, or nil if the app is deleted. It is made once per record; nobody may change
// it.
func (a *App) Info() *api.AppInfo {
	if a.Def == nil {
		return nil
	}
	if v := a.view.Load(); v != nil {
		return v
	}
	v := a.info()
	a.view.Store(v)
	return v
}

func (a *App) info() *api.AppInfo {
	v := &api.AppInfo{App: *a.Def, Tasks: make([]api.Task, len(a.Tasks)), Deployments: []api.DeploymentRef{}}
	var staged, running, healthy, unhealthy int
	for i, t := range a.Tasks {
		v.Tasks[i] = t.View()
		if t.Readiness != nil {
			v.ReadinessCheckResults = append(v.ReadinessCheckResults, *t.Readiness)
		}
		switch t.State {
		case api.TaskStaging, api.TaskStarting:
			staged++
		case api.TaskRunning:
			running++
			switch verdict(t.Health) {
			case alive:
				healthy++
			case dead:
				unhealthy++
			}
		}
	}
	v.TasksStaged, v.TasksRunning, v.TasksHealthy, v.TasksUnhealthy = &staged, &running, &healthy, &unhealthy
	if a.Deployment != "" {
		v.Deployments = append(v.Deployments, api.DeploymentRef{ID: a.Deployment})
	}
	v.LastTaskFailure = a.Failure
	return v
}

type health int

const (
	unknown health = iota
	alive
	dead
)

// verdict is dead if any result is, alive if there are results and all are (marathon-api.md section 7.1).
func verdict(results []*api.HealthResult) health {
	v := unknown
	for _, r := range results {
		switch {
		case r == nil:
		case !r.Alive:
			return dead
		default:
			v = alive
		}
	}
	return v
}

// View returns the read representation of t.
func (t *Task) View() api.Task {
	v := api.Task{
		ID: t.ID, AppID: t.AppID, Host: t.Host, Ports: t.Ports, IPAddresses: t.Addresses, SlaveID: t.Agent,
		State: t.State, StagedAt: t.StagedAt, StartedAt: t.StartedAt, Version: t.Version,
		LocalVolumes: []struct{}{}, Region: t.Region, Zone: t.Zone, Role: "*",
	}
	if v.Ports == nil {
		v.Ports = []int{}
	}
	if len(v.IPAddresses) == 0 {
		v.IPAddresses = t.hostAddress()
	}
	if t.Def != nil && t.Def.Role != "" {
		v.Role = t.Def.Role
	}
	for _, r := range t.Health {
		if r != nil {
			v.HealthCheckResults = append(v.HealthCheckResults, *r)
		}
	}
	return v
}

// hostAddress is the agent's address for a started task in host mode, else nothing.
func (t *Task) hostAddress() []api.Address {
	if t.StartedAt.IsZero() || t.Def == nil || t.Def.Mode() != api.NetworkHost {
		return []api.Address{}
	}
	return []api.Address{AddressOf(t.IP)}
}

// AddressOf returns ip with its protocol.
func AddressOf(ip string) api.Address {
	for _, c := range ip {
		if c == ':' {
			return api.Address{IPAddress: ip, Protocol: "IPv6"}
		}
	}
	return api.Address{IPAddress: ip, Protocol: "IPv4"}
}
