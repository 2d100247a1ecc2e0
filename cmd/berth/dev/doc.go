// Package dev is `berth dev`: all daemons in one process with a real HAProxy, for a laptop.
//
//	ports chosen → orchestrator up → mlb, dnsd, vip up → URLs printed → until Ctrl-C → vip, dnsd, mlb down → orchestrator
//	down → tasks stopped
//
// The state stays in one directory. A process that was killed leaves its tasks and its HAProxy running; the next start
// in the same directory takes the same ports and adopts both.
package dev
