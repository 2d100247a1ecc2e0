// Package health probes tasks. A Manager holds the checks of all tasks in one schedule, runs each probe in a goroutine of
// its own with a bound on how many there are at one time, and reports every outcome together with what it means by
// Marathon's counting rules: a first verdict, a changed one, a task to kill.
//
// What a verdict leads to is the orchestrator's business; so is keeping it.
package health
