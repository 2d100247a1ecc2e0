// Package e2e drives the real programs: it builds them, starts an orchestrator, an mlb with a real HAProxy and, where an
// engine answers, real containers, deploys apps through the API, and looks at what a client on the outside sees.
//
// The tests stand behind the build tag e2e; run them with make e2e. All traffic goes to loopback and to containers on
// the local engine, every load is bounded in rate and time, and every process and container a test starts it ends.
package e2e
