package httpapi

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/orchestrator/api"
)

// TestTasksEqualMarshalled holds the hand-written task JSON against the standard library's.
func TestTasksEqualMarshalled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tasks := rapid.SliceOfN(rapid.Make[api.Task](), 0, 4).Draw(t, "tasks")
		for i := range tasks {
			tasks[i].LocalVolumes = nil
			bound(&tasks[i].StagedAt)
			bound(&tasks[i].StartedAt)
			bound(&tasks[i].Version)
			for j := range tasks[i].HealthCheckResults {
				r := &tasks[i].HealthCheckResults[j]
				bound(&r.FirstSuccess)
				bound(&r.LastSuccess)
				bound(&r.LastFailure)
			}
		}
		var got bytes.Buffer
		writeTasks(&got, tasks)
		want, err := json.Marshal(filledTasks(tasks))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plain(t, want), plain(t, got.Bytes())); diff != "" {
			t.Error(diff)
		}
	})
}

// bound keeps a timestamp in the years that its text form can hold.
func bound(ts *api.Timestamp) { *ts = max(*ts, -*ts-1) % (1 << 45) }

func plain(t *rapid.T, data []byte) any {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return v
}
