// Package vipns makes virtual addresses usable where the machine itself must not get them: in a network namespace of their
// own, from which no packet leaves. An app may ask for 1.1.1.1, which is a stranger's address, and a laptop that runs
// `berth dev` should go on reaching the stranger.
//
//	this machine                          │  the namespace: only lo, no route out
//	orchestrator  127.0.0.1:8080 ◄─┐      │    ┌── 127.0.0.1:8080 ◄── vip, dnsd
//	                               Gate ◄─┼────┤
//	task          127.0.0.1:31005 ◄┘ unix │    └── 127.0.0.1:31005 ◄── rules of vip ◄── 1.1.1.1:80 ◄── curl
//
// Run is the inside: it listens at the address of every backend and carries each TCP connection through a unix socket. Gate
// is the outside: it connects to what it is asked for. Start starts the inside as a child process in new namespaces; without
// root it takes a user namespace as well. Enter is the command that runs another program in there.
package vipns
