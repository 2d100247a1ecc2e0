package orchestrator

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
)

func (w *world) drainNode(id string, drain bool) {
	w.t.Helper()
	if err := w.o.Drain(context.Background(), id, drain); err != nil {
		w.t.Fatal(err)
	}
	w.after(0)
}

func (w *world) nodeStates() string {
	var out []string
	for _, n := range w.o.Nodes() {
		out = append(out, n.ID+":"+n.State)
	}
	return strings.Join(out, " ")
}

func TestADrainMovesTasksWithinTheirStrategy(t *testing.T) {
	inCluster(t, 2, func(w *world) {
		w.change(put(app("/web", `,"instances":4,"upgradeStrategy":{"minimumHealthCapacity":1,"maximumOverCapacity":0.25}`)),
			put(app("/single", `,"upgradeStrategy":{"minimumHealthCapacity":0,"maximumOverCapacity":0}`)))
		w.after(time.Second)
		w.heard()
		w.drainNode("a1", true)
		least := 4
		for range 30 {
			w.after(100 * time.Millisecond)
			least = min(least, len(w.running("/web")))
		}
		if least < 4 {
			t.Errorf("only %d tasks of /web ran", least)
		}
		w.after(10 * time.Second)
		if got := w.on("/web") + " " + w.on("/single"); got != strings.TrimSpace(strings.Repeat("a2:RUNNING ", 5)) {
			t.Error(got)
		}
		if got := w.nodeStates(); got != "a1:drained a2:ready" {
			t.Error(got)
		}
		for _, task := range w.o.st.App("/web").Ended {
			if task.State != api.TaskKilled || task.Message != "agent a1 is being drained" {
				t.Errorf("%s: %s %s", task.ID, task.State, task.Message)
			}
		}
		// It stays out of use, over a restart too, and says so.
		w.crash()
		w.after(time.Second)
		w.change(put(app("/new", `,"instances":2,"constraints":[["hostname","UNIQUE"]]`)))
		w.after(time.Second)
		if text := w.explain(); w.on("/new") != "a2:RUNNING" || !strings.Contains(text, "agent a1 is being drained") {
			t.Errorf("%s; %s", w.on("/new"), text)
		}
		w.drainNode("a1", false)
		w.after(time.Second)
		if got := w.on("/new") + " " + w.nodeStates(); got != "a1:RUNNING a2:RUNNING a1:ready a2:ready" {
			t.Error(got)
		}
	})
}

func TestADrainedTaskGoesThroughTheHandshake(t *testing.T) {
	inCluster(t, 2, func(w *world) {
		w.change(put(app("/web", "")))
		sub := w.o.Subscribe("lb", RoleBalancer, "test")
		defer sub.Close()
		w.after(time.Second)
		agent := w.info("/web").Tasks[0].SlaveID
		w.drainNode(agent, true)
		w.after(5 * time.Second)
		if got := len(w.running("/web")); got != 2 {
			t.Fatalf("%d tasks run before the balancer routes to the new one", got)
		}
		if err := w.o.Ack(api.Ack{Subscriber: "lb", Role: RoleBalancer, Index: w.o.Index()}); err != nil {
			t.Fatal(err)
		}
		w.after(time.Second)
		if got := len(w.tasks("/web", api.TaskKilling)); got != 1 {
			t.Errorf("%d tasks wait for the balancer to let go of them: %s", got, w.on("/web"))
		}
		if err := w.o.Ack(api.Ack{Subscriber: "lb", Role: RoleBalancer, Index: w.o.Index()}); err != nil {
			t.Fatal(err)
		}
		w.after(time.Second)
		w.wantRunning("/web", 1)
		if w.info("/web").Tasks[0].SlaveID == agent {
			t.Error("it is still there")
		}
	})
}

func TestADrainWithoutRoomElsewhereSaysSo(t *testing.T) {
	inCluster(t, 2, func(w *world) {
		w.change(put(app("/web", `,"constraints":[["hostname","CLUSTER","node1"]]`)))
		w.drainNode("a1", true)
		w.after(time.Minute)
		w.wantRunning("/web", 1)
		n, ok := w.o.Node("a1")
		if !ok || n.State != api.NodeDraining || len(n.TaskList) != 1 {
			t.Fatalf("%+v", n)
		}
		want := []string{
			"agent a1 is being drained",
			"constraint hostname CLUSTER node1: agent a2 has hostname node2, expected node1",
		}
		if d := cmp.Diff(want, n.TaskList[0].Waits); d != "" {
			t.Error(d)
		}
		w.drainNode("a1", false)
		if text := w.explain(); text != "" {
			t.Errorf("after the resume: %s", text)
		}
	})
}

func TestNodesShowWhatTheyHave(t *testing.T) {
	inCluster(t, 2, func(w *world) {
		w.change(put(app("/web", `,"instances":2,"cpus":1.5,"mem":100,"disk":10`)))
		w.cut(1)
		if got := w.nodeStates(); got != "a1:unreachable a2:ready" {
			t.Error(got)
		}
		n, _ := w.o.Node("a2")
		disk, total := 20.0, 1000.0
		want := api.NodeInfo{Node: api.Node{
			ID: "a2", Host: "node2", Address: "127.0.0.2", Engine: "local", State: api.NodeReady, Roles: []string{"*", "slave_public"},
			Attributes: map[string]string{}, Drivers: []api.NodeDriver{{Kind: "process"}}, Tasks: 2,
			Resources: api.NodeResources{CPUs: 100, Mem: 100000, Disk: &total}, Used: api.NodeResources{CPUs: 3, Mem: 200, Disk: &disk},
			Ports: "1-32000", DynamicPorts: "31000-32000",
		}}
		for _, task := range w.info("/web").Tasks {
			want.TaskList = append(want.TaskList, api.NodeTask{ID: task.ID, AppID: "/web", State: api.TaskRunning})
		}
		if d := cmp.Diff(want, n); d != "" {
			t.Error(d)
		}
		if lost, _ := w.o.Node("a1"); !strings.Contains(lost.Reason, "no answer within") {
			t.Errorf("reason %q", lost.Reason)
		}
		if err := w.o.Drain(context.Background(), "a9", true); api.CodeOf(err) != api.CodeNotFound {
			t.Errorf("drain of an unknown node: %v", err)
		}
		w.back(1)
		if got := w.nodeStates(); got != "a1:ready a2:ready" {
			t.Error(got)
		}
	})
}
