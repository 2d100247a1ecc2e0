package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestLaterWordsOnTheNetworkModeWin(t *testing.T) {
	for document, want := range map[string]string{
		`{}`:               NetworkHost,
		`{"ipAddress":{}}`: NetworkContainer,
		`{"container":{"docker":{"network":"HOST"}}}`:                  NetworkHost,
		`{"container":{"docker":{"network":"BRIDGE"}}}`:                NetworkBridge,
		`{"container":{"docker":{"network":"USER"}}}`:                  NetworkContainer,
		`{"ipAddress":{},"container":{"docker":{"network":"BRIDGE"}}}`: NetworkBridge,
		`{"networks":[{}]}`: NetworkContainer,
		`{"networks":[{"mode":"host"}],"ipAddress":{},"container":{"docker":{"network":"BRIDGE"}}}`: NetworkHost,
	} {
		var a App
		if err := json.Unmarshal([]byte(document), &a); err != nil {
			t.Fatal(err)
		}
		if got := a.Mode(); got != want {
			t.Errorf("%s: found %s, expected %s", document, got, want)
		}
	}
}

func TestFinalStates(t *testing.T) {
	for state, want := range map[TaskState]bool{
		TaskStaging: false, TaskStarting: false, TaskRunning: false, TaskKilling: false, TaskUnreachable: false,
		TaskFinished: true, TaskFailed: true, TaskKilled: true, TaskError: true, TaskDropped: true, TaskGone: true,
		TaskUnknown: true, TaskLost: true,
	} {
		if state.Final() != want {
			t.Errorf("%s: expected final to be %v", state, want)
		}
	}
}

func TestTaskIsHealthyWhenAllItsChecksSayso(t *testing.T) {
	up, down := HealthResult{Alive: true}, HealthResult{}
	for _, c := range []struct {
		name   string
		state  TaskState
		result []HealthResult
		checks int
		want   bool
	}{
		{"running without checks", TaskRunning, nil, 0, true},
		{"staging without checks", TaskStaging, nil, 0, false},
		{"no result yet", TaskRunning, nil, 1, false},
		{"one of two results", TaskRunning, []HealthResult{up}, 2, false},
		{"one of two alive", TaskRunning, []HealthResult{up, down}, 2, false},
		{"both alive", TaskRunning, []HealthResult{up, up}, 2, true},
		{"alive but being killed", TaskKilling, []HealthResult{up}, 1, false},
	} {
		task := Task{State: c.state, HealthCheckResults: c.result}
		if task.Healthy(c.checks) != c.want {
			t.Errorf("%s: expected %v", c.name, c.want)
		}
	}
}

func TestTimestampsHaveOneText(t *testing.T) {
	for in, want := range map[string]string{
		"2024-03-01T12:00:00.123Z":     "2024-03-01T12:00:00.123Z",
		"2024-03-01T12:00:00Z":         "2024-03-01T12:00:00.000Z",
		"2024-03-01T12:00:00.1239999Z": "2024-03-01T12:00:00.123Z",
		"2024-03-01T14:00:00.1+02:00":  "2024-03-01T12:00:00.100Z",
	} {
		v, err := ParseTimestamp(in)
		if err != nil || v.String() != want {
			t.Errorf("%s: %s, %v; expected %s", in, v, err, want)
		}
	}
	for _, bad := range []string{"", "now", "2024-03-01", "2024-03-01 12:00:00", "2024-13-01T12:00:00Z"} {
		if v, err := ParseTimestamp(bad); err == nil {
			t.Errorf("%q: read as %s", bad, v)
		}
	}
}

func TestTimestampsSurviveJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := Timestamp(rapid.Int64Range(1, 253402300799999).Draw(t, "ms")) // up to the end of the year 9999
		b, err := json.Marshal(map[Timestamp]Timestamp{v: v})
		if err != nil {
			t.Fatal(err)
		}
		var back map[Timestamp]Timestamp
		if err := json.Unmarshal(b, &back); err != nil || back[v] != v {
			t.Fatalf("%s: %v, %v", b, back, err)
		}
		if TimestampOf(v.Time()) != v {
			t.Fatalf("%v became %v", v, TimestampOf(v.Time()))
		}
	})
	if !TimestampOf(time.Time{}).IsZero() || !Timestamp(0).Time().IsZero() {
		t.Error("the zero time is the absent timestamp")
	}
	var v Timestamp
	if err := v.UnmarshalText([]byte(" ")); err != nil || v != 0 {
		t.Errorf("blank text: %v, %v", v, err)
	}
}

func TestCodesAreFoundThroughWrapping(t *testing.T) {
	err := fmt.Errorf("reading: %w", NotFound("App", "/x"))
	if CodeOf(err) != CodeNotFound || err.Error() != "reading: App '/x' does not exist" {
		t.Errorf("%s: %v", CodeOf(err), err)
	}
	if CodeOf(errors.New("disk")) != CodeInternal {
		t.Error("an error of ours has the code internal")
	}
	malformed := &Error{Code: CodeMalformed, Message: "Invalid JSON", ParserText: "line 1"}
	if malformed.Error() != "Invalid JSON: line 1" {
		t.Error(malformed)
	}
}

func TestChangesHaveNames(t *testing.T) {
	if s := fmt.Sprint(ChangeNone, ChangeScale, ChangeConfig); s != "none scale config" {
		t.Error(s)
	}
}
