// Package haproxy is the edge between mlb and a real HAProxy: files, processes and sockets.
//
//	model → render → plan → haproxy.Apply
//
// It owns the HAProxy it runs. A rendered configuration is checked in a staging directory, put in place atomically, and
// brought to life by Runtime API commands or by a reload; a reload counts as done only when a new worker says that it
// runs this very text. The master is started in a session of its own, so it outlives mlb, and the next mlb adopts it.
package haproxy
