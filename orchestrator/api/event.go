package api

// Event types Berth sends (section 9).
const (
	EventAPIPost               = "api_post_event"
	EventStatusUpdate          = "status_update_event"
	EventAppTerminated         = "app_terminated_event"
	EventInstanceChanged       = "instance_changed_event"
	EventInstanceHealthChanged = "instance_health_changed_event"
	EventAddHealthCheck        = "add_health_check_event"
	EventRemoveHealthCheck     = "remove_health_check_event"
	EventFailedHealthCheck     = "failed_health_check_event"
	EventHealthStatusChanged   = "health_status_changed_event"
	EventUnhealthyInstanceKill = "unhealthy_instance_kill_event"
	EventUnknownTerminated     = "unknown_instance_terminated_event"
	EventGroupChangeSuccess    = "group_change_success"
	EventGroupChangeFailed     = "group_change_failed"
	EventDeploymentInfo        = "deployment_info"
	EventDeploymentStepSuccess = "deployment_step_success"
	EventDeploymentStepFailure = "deployment_step_failure"
	EventDeploymentSuccess     = "deployment_success"
	EventDeploymentFailed      = "deployment_failed"
	EventSchedulerRegistered   = "scheduler_registered_event" // an agent's driver is linked
	EventSchedulerReregistered = "scheduler_reregistered_event"
	EventSchedulerDisconnected = "scheduler_disconnected_event"
	EventStreamAttached        = "event_stream_attached"
	EventStreamDetached        = "event_stream_detached"
)

// Event is one entry of the event stream. It is made after the state it speaks of has been stored.
type Event struct {
	Type  string    // eventType
	Time  Timestamp // timestamp
	AppID string    // the app it concerns, "" if none; for routing inside Berth
	// Index is the store's revision that contains this event's change. Berth adds it to the JSON as "index", so that a
	// follower can acknowledge how far it has come; Marathon has no such field.
	Index  uint64
	Fields map[string]any // the other fields of the JSON
}

// IndexHeader carries, in an answer to a read, the store's revision that the answer reflects.
const IndexHeader = "X-Berth-Index"

// ChecksumHeader carries, with a backup, the digest of the whole: "sha256=" and 64 hexadecimal digits.
const ChecksumHeader = "X-Berth-Checksum"

// Ack is what a follower reports by POST /v1/acks: everything up to Index is in force, so new traffic follows it.
type Ack struct {
	Subscriber string `json:"subscriber"` // the name given as ?subscriber= on the event stream
	Role       string `json:"role"`       // mlb, dnsd or vip
	Index      uint64 `json:"index"`
	// Sessions counts, per draining task, the connections that the follower still carries; a draining task that is
	// missing has none. mlb and vip fill it.
	Sessions map[string]int `json:"sessions,omitempty"`
	// Leaving says that the follower ends and carries nothing any more, so that nobody waits for it.
	Leaving bool `json:"leaving,omitempty"`
}
