// Package client talks to an orchestrator, Berth's or a real Marathon, over the documented API.
//
// Calls go to one URL of the cluster after the other until one answers; what each returns is the API's own types, and a
// refusal is an *api.Error.
//
// Watch is the shared follower of mlb, dnsd and vip: it subscribes first and reads second, refetches on an event only
// the app concerned, coalesces bursts, fails over between URLs, notices silent streams, refuses to believe a sudden loss of
// most apps until it has seen it twice, and keeps the last snapshot on disk to serve from when nothing answers.
//
//	feed.go      keeps an event stream open      sse.go, event.go   stream → frames → apps concerned
//	watch.go     the loop                        progress.go        what to read; the index that may be claimed
//	reads.go     full and single reads           suspicion.go       what not to believe yet
//	deliver.go   when to hand over               state.go           what is believed, with stable pointers
//	keep.go      the file                        verdicts.go        health results that a read lacks
//
// A snapshot's index never claims more than the snapshot contains; progress.go says what that rests on.
package client
