package main

import (
	"fmt"
	"net/http"

	"berth/orchestrator/api"
)

// addNodes gives the fake two nodes with two tasks each: n1 loses one each time it is looked at while it drains, n2 none.
func (f *fake) addNodes() {
	nodes := map[string]*api.NodeInfo{}
	for i := 1; i <= 2; i++ {
		n := &api.NodeInfo{Node: api.Node{
			ID: fmt.Sprintf("n%d", i), Host: fmt.Sprintf("node%d", i), Address: fmt.Sprintf("10.0.0.%d", i), State: api.NodeReady,
			Roles: []string{"*", "slave_public"}, Attributes: map[string]string{"rack": fmt.Sprint(i)}, Tasks: 2,
			Resources: api.NodeResources{CPUs: 4, Mem: 1024}, Used: api.NodeResources{CPUs: 0.5, Mem: 64},
		}}
		for k := range n.Tasks {
			n.TaskList = append(n.TaskList, api.NodeTask{ID: fmt.Sprintf("web.%d", k), AppID: "/web", State: api.TaskRunning})
		}
		nodes[n.ID] = n
	}
	node := func(change func(n *api.NodeInfo)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			n := nodes[r.PathValue("id")]
			if n == nil {
				answer(w, 404, map[string]any{"message": "Node '" + r.PathValue("id") + "' does not exist"})
				return
			}
			change(n)
			answer(w, 200, map[string]any{"node": n})
		}
	}
	f.HandleFunc("GET /v1/nodes", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]any{"nodes": []api.Node{nodes["n1"].Node, nodes["n2"].Node}})
	})
	f.HandleFunc("GET /v1/nodes/{id}", node(func(n *api.NodeInfo) {
		if n.State != api.NodeDraining {
			return
		}
		if n.ID == "n1" {
			n.TaskList = n.TaskList[1:]
			n.Tasks--
		}
		if n.Tasks == 0 {
			n.State = api.NodeDrained
		}
	}))
	f.HandleFunc("POST /v1/nodes/{id}/drain", node(func(n *api.NodeInfo) {
		n.State, n.Draining = api.NodeDraining, f.clock
		for i := range n.TaskList {
			n.TaskList[i].Waits = []string{"there is no other agent"}
		}
	}))
	f.HandleFunc("POST /v1/nodes/{id}/resume", node(func(n *api.NodeInfo) { n.State, n.Draining = api.NodeReady, 0 }))
}
