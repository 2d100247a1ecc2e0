// Package vip is the loop of the layer-4 virtual addresses: it follows the apps of an orchestrator, computes the rules this
// network namespace should have, and applies the difference in one transaction.
//
//	client.Watch → ruleset.Builder → Settle, Diff → nft.Apply → routes, tracked connections → Ack
//
// The kernel's table is the state: after a restart the loop reads it and goes on from there, and while the source is gone,
// or the loop itself, it keeps working.
package vip
