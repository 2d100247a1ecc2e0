package main

import (
	"net/http"

	"berth/orchestrator/api"
)

// groups makes f answer for groups: there is /shop with one below it, and a change of /over fails.
func (f *fake) groups() {
	f.HandleFunc("GET /v2/groups", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, api.GroupInfo{ID: "/", Version: f.clock, Groups: []*api.GroupInfo{f.shop()}})
	})
	f.HandleFunc("GET /v2/groups/shop", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, f.shop()) })
	f.HandleFunc("GET /v2/groups/shop/versions", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, []string{"2026-01-02T03:04:05.001Z", "2026-01-02T03:04:05.000Z"})
	})
	f.HandleFunc("GET /v2/groups/nobody", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 404, map[string]any{"message": "Group '/nobody' does not exist"})
	})
	change := func(w http.ResponseWriter, _ *http.Request) {
		f.clock++
		answer(w, 200, f.start("/shop/web"))
	}
	f.HandleFunc("POST /v2/groups", change)
	f.HandleFunc("PUT /v2/groups/shop", change)
	f.HandleFunc("DELETE /v2/groups/shop", change)
	f.HandleFunc("PUT /v2/groups/over", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, api.DeploymentResult{Version: f.clock, DeploymentID: "d-over"})
	})
}

func (f *fake) shop() *api.GroupInfo {
	none := 0
	return &api.GroupInfo{
		ID: "/shop", Version: f.clock, Dependencies: []string{"/store", "/db"}, Groups: []*api.GroupInfo{{ID: "/shop/back"}},
		Apps: []*api.AppInfo{
			{App: api.App{ID: "/shop/api", Instances: 1}, TasksRunning: &none},
			{App: api.App{ID: "/shop/web", Instances: 2}, TasksRunning: &none},
		},
	}
}
