package api

// Placement is what a change would do to the tasks of one app.
type Placement struct {
	App    string        `json:"app"`
	Action string        `json:"action"` // of the deployment, "" if nothing changes
	Keep   []string      `json:"keep"`   // tasks that stay
	Stop   []string      `json:"stop"`   // tasks that go
	Start  []PlannedTask `json:"start"`
	Waits  int           `json:"waits"` // tasks that no agent takes
	// Standstill is set when there would be room once the old tasks are gone, but they may not go before the new ones run.
	Standstill bool     `json:"standstill,omitempty"`
	Explain    []string `json:"explain"` // why tasks wait, a sentence for each agent
}

// PlannedTask is where a task would start, as things are now. Ports that the app leaves open are examples.
type PlannedTask struct {
	Agent string `json:"agent"`
	Host  string `json:"host"`
	IP    string `json:"ip"`
	Ports []int  `json:"ports"`
}
