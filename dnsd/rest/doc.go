// Package rest is dnsd's HTTP side: Mesos-DNS' API under /v1 with its habits, the same under /v2 with proper codes, a stream of
// changes, metrics and health.
package rest
