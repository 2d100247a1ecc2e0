package route

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
)

const (
	// Device is the name of vip's own device.
	Device = "berth-vip"
	alias  = "virtual addresses of Berth lead here and nowhere else"
	// Protocol marks vip's routes, "ip route list proto 86".
	Protocol = 86
	minMTU   = 1280 // of IPv6
)

// EnsureDevice makes the device if it is missing: a dummy, or where the kernel has none a bridge without ports. mtu is the
// smallest of the uplinks, so that local connections do not begin with segments that cannot leave.
func EnsureDevice(mtu int) (index int, err error) {
	link, err := ownDevice()
	if err != nil {
		return 0, err
	}
	if link == nil {
		if link, err = addDevice(); err != nil {
			return 0, fmt.Errorf("make device %s: %w", Device, explain(err))
		}
	}
	if mtu >= minMTU && link.Attrs().MTU != mtu {
		if err := netlink.LinkSetMTU(link, mtu); err != nil {
			return 0, fmt.Errorf("device %s: mtu %d: %w", Device, mtu, err)
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return 0, fmt.Errorf("device %s: %w", Device, explain(err))
	}
	return link.Attrs().Index, nil
}

// ownDevice finds the device, nil if there is none. A stranger's of the same name is an error.
func ownDevice() (netlink.Link, error) {
	link, err := netlink.LinkByName(Device)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", Device, explain(err))
	}
	if link.Attrs().Alias != alias {
		return nil, fmt.Errorf("device %s exists and is not vip's (alias %q); expected none of this name", Device, link.Attrs().Alias)
	}
	return link, nil
}

func addDevice() (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = Device
	err := netlink.LinkAdd(&netlink.Dummy{LinkAttrs: attrs})
	if err != nil && !errors.Is(err, os.ErrPermission) {
		err = netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs})
	}
	if err != nil {
		return nil, err
	}
	link, err := netlink.LinkByName(Device)
	if err != nil {
		return nil, err
	}
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+Device+"/addr_gen_mode", []byte("1"), 0o644) // no link-local address
	return link, netlink.LinkSetAlias(link, alias)
}

// RemoveDevice deletes the device, and with it its routes, if it is there.
func RemoveDevice() error {
	link, err := ownDevice()
	if err != nil || link == nil {
		return err
	}
	if err := netlink.LinkDel(link); err != nil {
		return fmt.Errorf("remove device %s: %w", Device, explain(err))
	}
	return nil
}

func explain(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: CAP_NET_ADMIN is needed in this network namespace", err)
	}
	return err
}
