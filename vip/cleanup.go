package vip

import (
	"context"
	"errors"
	"fmt"
	"time"

	"berth/vip/nft"
	"berth/vip/route"
	"berth/vip/ruleset"
)

// drainPoll is how often tracked connections are counted.
const drainPoll = 200 * time.Millisecond

// Cleanup takes everything of vip out of this network namespace: the table, the routes, the device, and the hairpin mode of
// the ports on which it switched that on. Connections that are established get drain time to end; new ones die at the device
// meanwhile.
func Cleanup(ctx context.Context, conn *nft.Conn, drain time.Duration) error {
	have, _, err := conn.Read()
	if err != nil {
		return err
	}
	var errs []error
	exists, err := conn.Exists()
	if err != nil {
		return err
	}
	if exists && have != nil && drain > 0 {
		if err := conn.Retire(); err != nil {
			return err
		}
		if err := waitForEnd(ctx, have, drain); err != nil {
			errs = append(errs, err)
		}
	}
	if have != nil {
		for _, l := range have.Links {
			if l.Role == ruleset.HairpinPort {
				errs = append(errs, route.SetHairpin(l.Name, false))
			}
		}
	}
	errs = append(errs, route.RemoveAll(), route.RemoveDevice(), conn.Remove())
	return errors.Join(errs...)
}

// waitForEnd returns when no connection to a VIP is left, or after the limit.
func waitForEnd(ctx context.Context, have *ruleset.Ruleset, limit time.Duration) error {
	deadline := time.After(limit)
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for {
		busy, err := route.Busy(have.Owns)
		if err != nil || len(busy) == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for connections of %d addresses: %w", len(busy), ctx.Err())
		case <-deadline:
			return nil
		case <-tick.C:
		}
	}
}
