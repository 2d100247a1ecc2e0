package route

import (
	"context"
	"fmt"

	"github.com/vishvananda/netlink"
)

// Changes calls changed when interfaces or addresses come, go or change, until ctx ends.
func Changes(ctx context.Context, changed func()) error {
	links, addrs := make(chan netlink.LinkUpdate, 64), make(chan netlink.AddrUpdate, 64)
	done := make(chan struct{})
	if err := netlink.LinkSubscribe(links, done); err != nil {
		return fmt.Errorf("listen to interfaces: %w", explain(err))
	}
	if err := netlink.AddrSubscribe(addrs, done); err != nil {
		close(done)
		for range links {
		}
		return fmt.Errorf("listen to addresses: %w", explain(err))
	}
	defer func() { // both close their channels once they have seen done
		close(done)
		for range links {
		}
		for range addrs {
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, ok := <-links:
			if !ok {
				return fmt.Errorf("listen to interfaces: the kernel ended it")
			}
			changed()
		case _, ok := <-addrs:
			if !ok {
				return fmt.Errorf("listen to addresses: the kernel ended it")
			}
			changed()
		}
	}
}
