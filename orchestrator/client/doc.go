// Package client talks to an orchestrator, Berth's or a real Marathon, over the documented API.
//
// Watch is the shared follower of mlb, dnsd and vip: it subscribes first and reads second, refetches on an event only
// the app concerned, coalesces bursts, fails over between URLs, notices silent streams, refuses to believe a sudden loss
// of most apps until it has seen it twice, and keeps the last snapshot on disk to serve from when nothing answers.
package client
