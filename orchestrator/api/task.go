package api

// TaskState is a state of Mesos' task life (marathon-api.md section 11.4).
type TaskState string

// Task states. Staging, Starting, Running, Killing and Unreachable are living, the others final.
const (
	TaskStaging     TaskState = "TASK_STAGING"
	TaskStarting    TaskState = "TASK_STARTING"
	TaskRunning     TaskState = "TASK_RUNNING"
	TaskKilling     TaskState = "TASK_KILLING"
	TaskUnreachable TaskState = "TASK_UNREACHABLE"

	TaskFinished TaskState = "TASK_FINISHED"
	TaskFailed   TaskState = "TASK_FAILED"
	TaskKilled   TaskState = "TASK_KILLED"
	TaskError    TaskState = "TASK_ERROR"
	TaskDropped  TaskState = "TASK_DROPPED"
	TaskGone     TaskState = "TASK_GONE"
	TaskUnknown  TaskState = "TASK_UNKNOWN"
	TaskLost     TaskState = "TASK_LOST"
)

// Final reports whether no task leaves s again.
func (s TaskState) Final() bool {
	switch s {
	case TaskStaging, TaskStarting, TaskRunning, TaskKilling, TaskUnreachable:
		return false
	}
	return true
}

// Task is one instance of an app as the API shows it (section 7.3).
type Task struct {
	ID                 string         `json:"id"`
	AppID              string         `json:"appId"`
	Host               string         `json:"host"`
	Ports              []int          `json:"ports"`
	IPAddresses        []Address      `json:"ipAddresses"`
	SlaveID            string         `json:"slaveId"`
	State              TaskState      `json:"state"`
	StagedAt           Timestamp      `json:"stagedAt,omitzero"`
	StartedAt          Timestamp      `json:"startedAt,omitzero"`
	Version            Timestamp      `json:"version,omitzero"`
	HealthCheckResults []HealthResult `json:"healthCheckResults,omitzero"` // nil: no result yet
	ServicePorts       []int          `json:"servicePorts,omitempty"`      // only in GET /v2/tasks
	LocalVolumes       []struct{}     `json:"localVolumes"`
	Region             string         `json:"region,omitempty"`
	Zone               string         `json:"zone,omitempty"`
	Role               string         `json:"role,omitempty"`
}

// Address is an address of a task's own; in host mode the agent's.
type Address struct {
	IPAddress string `json:"ipAddress"`
	Protocol  string `json:"protocol"` // IPv4 or IPv6
}

// HealthResult is what one health check last said of a task.
type HealthResult struct {
	Alive               bool      `json:"alive"`
	ConsecutiveFailures int       `json:"consecutiveFailures"`
	FirstSuccess        Timestamp `json:"firstSuccess,omitzero"`
	LastSuccess         Timestamp `json:"lastSuccess,omitzero"`
	LastFailure         Timestamp `json:"lastFailure,omitzero"`
	LastFailureCause    string    `json:"lastFailureCause,omitempty"`
	TaskID              string    `json:"taskId,omitempty"`
	InstanceID          string    `json:"instanceId,omitempty"`
}

// Healthy reports whether every one of checks health checks has a result and all results are alive. With no checks a
// task is healthy when it runs.
func (t *Task) Healthy(checks int) bool {
	if t.State != TaskRunning {
		return false
	}
	if checks == 0 {
		return true
	}
	if len(t.HealthCheckResults) < checks {
		return false
	}
	for _, r := range t.HealthCheckResults {
		if !r.Alive {
			return false
		}
	}
	return true
}

// TaskFailure is the last failure of an app, with its cause in the message.
type TaskFailure struct {
	AppID     string    `json:"appId"`
	Host      string    `json:"host"`
	Message   string    `json:"message"`
	State     TaskState `json:"state"`
	TaskID    string    `json:"taskId"`
	Timestamp Timestamp `json:"timestamp"`
	Version   Timestamp `json:"version"`
	SlaveID   string    `json:"slaveId"`
}

// AppInfo is an app together with what runs of it: the read representation (section 7.1). Which parts are filled is
// chosen by the embed parameter of a read; a consumer treats an absent part as empty.
type AppInfo struct {
	App
	Tasks           []Task          `json:"tasks,omitzero"`
	TasksStaged     *int            `json:"tasksStaged,omitempty"`
	TasksRunning    *int            `json:"tasksRunning,omitempty"`
	TasksHealthy    *int            `json:"tasksHealthy,omitempty"`
	TasksUnhealthy  *int            `json:"tasksUnhealthy,omitempty"`
	Deployments     []DeploymentRef `json:"deployments,omitzero"`
	LastTaskFailure *TaskFailure    `json:"lastTaskFailure,omitempty"`

	ReadinessCheckResults []ReadinessResult `json:"readinessCheckResults,omitzero"` // of living tasks
}
