// Package clienttest is an orchestrator for tests of those who follow one: a small HTTP server with state, which speaks
// the part of Marathon's API that client.Watch uses, and can be told to lie, fail and fall silent.
//
//	s := clienttest.NewServer(t)
//	s.SetApp(&api.AppInfo{App: api.App{ID: "/web", Instances: 1}, Tasks: …})
//	c, _ := client.New(client.Options{URLs: []string{s.URL()}})
//
// Every change raises the index by one, is visible in reads from then on, and only then announced as an event.
package clienttest
