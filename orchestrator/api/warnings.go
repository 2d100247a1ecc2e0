package api

import (
	"errors"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// dockerMinimum is the smallest memory limit that the Docker engine accepts, in MiB.
const dockerMinimum = 6

// warnings says what is accepted but will not work as it probably was meant.
func (d *draft) warnings() {
	a := d.app
	d.notes.warnAboutName(a.ID)
	if a.Image() != "" && a.Mem > 0 && a.Mem < dockerMinimum {
		d.notes.warn("/mem: Docker refuses a memory limit below %d MiB, found %v", dockerMinimum, a.Mem)
	}
	for i, p := range a.PortDefinitions {
		d.warnAboutVIPs(item(d.places.definitions, i), p.Labels)
	}
	if a.Container == nil {
		return
	}
	for i, m := range a.Container.PortMappings {
		d.warnAboutVIPs(item(d.places.mappings, i), m.Labels)
	}
}

var vipKey = regexp.MustCompile(`^(VIP|vip)_[0-9]+$`)

// warnAboutVIPs reads the VIP labels of a port as the VIP daemon will.
func (d *draft) warnAboutVIPs(at string, labels map[string]string) {
	for key, value := range sorted(labels) {
		if !strings.HasPrefix(key, "VIP") && !strings.HasPrefix(key, "vip") {
			continue
		}
		here := child(child(at, "labels"), key)
		if !vipKey.MatchString(key) {
			d.notes.warn("%s: not taken as a VIP; expected a name such as VIP_0", here)
			continue
		}
		if err := checkVIP(value); err != nil {
			d.notes.warn("%s: %s gives no VIP: %v; expected 1.2.3.4:80 or /name:80", here, quote(value), err)
		}
	}
}

// checkVIP reads <address>:<port> or [/]<name>:<port>, split at the last colon.
func checkVIP(value string) error {
	i := strings.LastIndexByte(value, ':')
	if i < 0 {
		return errors.New("there is no port")
	}
	name := strings.ReplaceAll(value[:i], "/", "")
	port, err := strconv.Atoi(value[i+1:])
	switch {
	case err != nil || port < 1 || port > maxPort:
		return errors.New("the port is not a number from 1 to 65535")
	case name == "":
		return errors.New("the name is empty")
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return nil
	}
	for label := range strings.SplitSeq(strings.ToLower(name), ".") {
		if !validLabel(label) || len(label) > 63 {
			return errors.New("the name is neither an address nor a DNS name")
		}
	}
	return nil
}
