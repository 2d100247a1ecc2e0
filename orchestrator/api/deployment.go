package api

// DeploymentRef names a deployment.
type DeploymentRef struct {
	ID string `json:"id"`
}

// DeploymentResult is the common answer of writes.
type DeploymentResult struct {
	Version      Timestamp `json:"version"`
	DeploymentID string    `json:"deploymentId"`
}

// Deployment actions.
const (
	ActionStart   = "StartApplication"
	ActionStop    = "StopApplication"
	ActionScale   = "ScaleApplication"
	ActionRestart = "RestartApplication"
)

// Deployment is a change on its way (section 8.4).
type Deployment struct {
	ID             string             `json:"id"`
	Version        Timestamp          `json:"version"`
	AffectedApps   []string           `json:"affectedApps"`
	AffectedPods   []string           `json:"affectedPods"`
	Steps          []DeploymentStep   `json:"steps"`
	CurrentActions []DeploymentAction `json:"currentActions"`
	CurrentStep    int                `json:"currentStep"` // from 1; 0 before the first
	TotalSteps     int                `json:"totalSteps"`

	// What follows is Berth's own.

	State      string    `json:"state,omitempty"` // one of the Deployment… constants
	StartedAt  Timestamp `json:"startedAt,omitzero"`
	FinishedAt Timestamp `json:"finishedAt,omitzero"`
	Deadline   Timestamp `json:"deadline,omitzero"`   // when it counts as failed
	Reason     string    `json:"reason,omitempty"`    // why it failed
	UndoneBy   string    `json:"undoneBy,omitempty"`  // the deployment that takes it back
	Gates      []Gate    `json:"gates,omitzero"`      // how long each gate took
	WaitingFor []string  `json:"waitingFor,omitzero"` // sentences: what it waits for now
}

// States of a deployment.
const (
	DeploymentRunning   = "running"
	DeploymentSucceeded = "succeeded"
	DeploymentFailed    = "failed" // cancelled, overridden, or past its deadline
)

// The gates of a deployment in the order in which tasks go through them: the first three hold up a new task, the others
// an old one.
const (
	GateStart        = "start"        // launched, until it runs
	GateHealthy      = "healthy"      // running, until it is healthy and ready
	GateRouted       = "routed"       // healthy, until every balancer has it
	GateAcknowledged = "acknowledged" // to be stopped, until every follower sends it nothing new
	GateSessions     = "sessions"     // acknowledged, until its last session has ended
	GateStop         = "stop"         // SIGTERM, until it is gone
)

// Gate says how long a deployment's tasks took to pass one of its gates, as measured by the orchestrator since it was
// started.
type Gate struct {
	Gate          string  `json:"gate"`
	Passed        int     `json:"passed"`   // tasks
	TimedOut      int     `json:"timedOut"` // of those, by the end of the drain time instead of an answer
	Waiting       int     `json:"waiting"`  // tasks before it now
	AverageMillis float64 `json:"averageMillis"`
	LongestMillis float64 `json:"longestMillis"`
}

// DeploymentStep is a set of actions that run side by side.
type DeploymentStep struct {
	Actions []DeploymentAction `json:"actions"`
}

// DeploymentAction is what happens to one app.
type DeploymentAction struct {
	Action                string            `json:"action"`
	App                   string            `json:"app"`
	ReadinessCheckResults []ReadinessResult `json:"readinessCheckResults,omitzero"`
}

// ReadinessResult is what a task's readiness check last said (section 11.3).
type ReadinessResult struct {
	Name         string             `json:"name"`
	TaskID       string             `json:"taskId"`
	Ready        bool               `json:"ready"`
	LastResponse *ReadinessResponse `json:"lastResponse,omitempty"` // only with preserveLastResponse
}

// ReadinessResponse is a task's answer to its readiness check. One that could not be had reads as status 504 with the
// cause as the body.
type ReadinessResponse struct {
	Status      int    `json:"status"`
	ContentType string `json:"contentType"`
	Body        string `json:"body"`
}

// QueueEntry says why an app is not at its target (section 8.6).
type QueueEntry struct {
	Count                  int           `json:"count"`
	Delay                  QueueDelay    `json:"delay"`
	Since                  Timestamp     `json:"since"`
	Role                   string        `json:"role"`
	App                    *App          `json:"app"`
	ProcessedOffersSummary OffersSummary `json:"processedOffersSummary"`
	LastUnusedOffers       []struct{}    `json:"lastUnusedOffers,omitzero"`
	Explain                []string      `json:"explain"` // sentences with the numbers compared
}

// QueueDelay is what is left of an app's backoff.
type QueueDelay struct {
	TimeLeftSeconds int  `json:"timeLeftSeconds"`
	Overdue         bool `json:"overdue"`
}

// OffersSummary counts agents considered: an offer is one agent in one placement attempt.
type OffersSummary struct {
	ProcessedOffersCount       int            `json:"processedOffersCount"`
	UnusedOffersCount          int            `json:"unusedOffersCount"`
	LastUnusedOfferAt          Timestamp      `json:"lastUnusedOfferAt,omitzero"`
	LastUsedOfferAt            Timestamp      `json:"lastUsedOfferAt,omitzero"`
	RejectSummaryLastOffers    []RejectReason `json:"rejectSummaryLastOffers"`
	RejectSummaryLaunchAttempt []RejectReason `json:"rejectSummaryLaunchAttempt"`
}

// RejectReason counts the agents that reached a test and those it turned away.
type RejectReason struct {
	Reason    string `json:"reason"`
	Declined  int    `json:"declined"`
	Processed int    `json:"processed"`
}

// RejectReasons are all reasons in the order in which the tests are made.
var RejectReasons = []string{
	"UnfulfilledRole", "UnfulfilledConstraint", "NoCorrespondingReservationFound", "AgentMaintenance",
	"InsufficientCpus", "InsufficientMemory", "InsufficientDisk", "InsufficientGpus", "InsufficientPorts",
	"DeclinedScarceResources",
}
