// Package mlb is the loop of the load balancer: it follows a cluster and keeps a HAProxy in step.
//
//	client.Watch → model.Build → render → haproxy check → plan.Make → haproxy.Apply → acknowledge
//
// Whatever goes wrong on the way, the old files and the old HAProxy stand, and mlb says so: in its log, on /_mlb_problems,
// as a metric, and by turning /readyz red. A single app that HAProxy refuses is found and kept as it was, or left out.
package mlb
