package api

import (
	"bytes"
	"encoding/json"
)

// Health check protocols.
const (
	ProtocolHTTP       = "HTTP"
	ProtocolHTTPS      = "HTTPS"
	ProtocolTCP        = "TCP"
	ProtocolCommand    = "COMMAND"
	ProtocolMesosHTTP  = "MESOS_HTTP"
	ProtocolMesosHTTPS = "MESOS_HTTPS"
	ProtocolMesosTCP   = "MESOS_TCP"
)

// HealthCheck is one check of an app (marathon-api.md section 11.1). Times are in seconds; go-marathon sends some of
// them as floats.
type HealthCheck struct {
	Protocol               string       `json:"protocol"`
	Path                   string       `json:"path,omitempty"`
	PortIndex              *int         `json:"portIndex,omitempty"`
	Port                   *int         `json:"port,omitempty"`
	GracePeriodSeconds     float64      `json:"gracePeriodSeconds"`
	IntervalSeconds        float64      `json:"intervalSeconds"`
	TimeoutSeconds         float64      `json:"timeoutSeconds"`
	MaxConsecutiveFailures int          `json:"maxConsecutiveFailures"`
	DelaySeconds           float64      `json:"delaySeconds,omitempty"`
	IgnoreHTTP1xx          bool         `json:"ignoreHttp1xx,omitempty"`
	IPProtocol             string       `json:"ipProtocol,omitempty"`
	Command                *HealthShell `json:"command,omitempty"`
}

// MarshalJSON implements json.Marshaler: delaySeconds is shown for every kind that has it, also when it is 0.
func (h HealthCheck) MarshalJSON() ([]byte, error) {
	type plain HealthCheck
	out := struct {
		plain
		DelaySeconds *float64 `json:"delaySeconds,omitempty"`
	}{plain: plain(h)}
	if h.DelaySeconds != 0 || h.besideTask() {
		out.DelaySeconds = &h.DelaySeconds
	}
	return json.Marshal(out)
}

// HealthShell is the shell text of a COMMAND check.
type HealthShell struct {
	Value string `json:"value"`
}

// ReadinessCheck gates a task during a deployment (section 11.3).
type ReadinessCheck struct {
	Name                    string `json:"name"`
	Protocol                string `json:"protocol"`
	Path                    string `json:"path"`
	PortName                string `json:"portName"`
	IntervalSeconds         int    `json:"intervalSeconds"`
	TimeoutSeconds          int    `json:"timeoutSeconds"`
	HTTPStatusCodesForReady []int  `json:"httpStatusCodesForReady"`
	PreserveLastResponse    bool   `json:"preserveLastResponse"`
}

// UnreachableStrategy says when a task on a lost agent is replaced and forgotten, in seconds. Disabled is the JSON
// string "disabled": never.
type UnreachableStrategy struct {
	Disabled             bool
	InactiveAfterSeconds int
	ExpungeAfterSeconds  int
}

type unreachableJSON struct {
	InactiveAfterSeconds int `json:"inactiveAfterSeconds"`
	ExpungeAfterSeconds  int `json:"expungeAfterSeconds"`
}

// MarshalJSON implements json.Marshaler.
func (u UnreachableStrategy) MarshalJSON() ([]byte, error) {
	if u.Disabled {
		return []byte(`"disabled"`), nil
	}
	return json.Marshal(unreachableJSON{u.InactiveAfterSeconds, u.ExpungeAfterSeconds})
}

// UnmarshalJSON implements json.Unmarshaler; any string reads as disabled.
func (u *UnreachableStrategy) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		*u = UnreachableStrategy{Disabled: true}
		return nil
	}
	var v unreachableJSON
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*u = UnreachableStrategy{InactiveAfterSeconds: v.InactiveAfterSeconds, ExpungeAfterSeconds: v.ExpungeAfterSeconds}
	return nil
}
