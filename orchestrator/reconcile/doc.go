// Package reconcile decides what has to happen so that what runs becomes what was asked for: which tasks start where and
// with which host ports, which are to go and in which order, which may be stopped now, and for everything that waits, why.
//
// It is pure: state, the present moment and the seed for random ports come in as values, a Plan comes out. The loop in
// package orchestrator gathers the input, stores the plan's intents and hands them to the drivers.
package reconcile
