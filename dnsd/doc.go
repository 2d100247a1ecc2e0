// Package dnsd follows the apps of an orchestrator and keeps a DNS server's zone in step with them:
//
//	client.Watch → zone.Builder → server.Set → acknowledge
//
// It is the loop alone. package zone decides what the records are, server answers from them, forward asks others about the
// rest, and rest shows it all over HTTP.
package dnsd
