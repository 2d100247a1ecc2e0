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
}

// DeploymentStep is a set of actions that run side by side.
type DeploymentStep struct {
	Actions []DeploymentAction `json:"actions"`
}

// DeploymentAction is what happens to one app.
type DeploymentAction struct {
	Action                string   `json:"action"`
	App                   string   `json:"app"`
	ReadinessCheckResults []string `json:"readinessCheckResults,omitzero"`
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
