// Package dev is `berth dev`: orchestrator and load balancer in one process with a real HAProxy, for a laptop.
//
//	ports chosen → orchestrator up → mlb up → URLs printed → until Ctrl-C → mlb down → orchestrator down → tasks stopped
//
// The state stays in one directory. A process that was killed leaves its tasks and its HAProxy running; the next start
// in the same directory takes the same ports and adopts both.
package dev
