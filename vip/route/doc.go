// Package route is vip's other edge to the kernel: what the host looks like (addresses, bridges, uplinks), the device and
// the routes that bring local traffic to the rules, tracked connections, and the hairpin mode of bridge ports.
//
// A process of this node reaches translation only if the kernel finds some route to the VIP, because routing comes before
// the output hook. The routes made here lead to a device of vip's own that goes nowhere: without the rules a packet dies on
// this node, instead of reaching a stranger's machine or a service of this one (vip.md section 8).
package route
