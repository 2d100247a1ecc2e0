package ruleset

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Limits of what labels can ask for.
const (
	maxValue    = 1024 // bytes of a label's value
	maxWeight   = 100
	maxSlots    = 256  // of one service whose backends have weights
	maxBackends = 4096 // of one VIP
)

// Target is the parsed value of a VIP label: an address or a name, and a port.
type Target struct {
	Addr netip.Addr // invalid for a named VIP
	Name string     // as a domain fragment
	Port uint16
}

// ParseTarget reads address:port or name:port, split at the last colon:
//
//	1.1.1.1:80   fd01:c::1:80   [fd01:c::1]:80   /group/app:80   name:80   /api.hello:80
//
// Slashes of a name are deleted, not replaced; dots separate DNS labels.
func ParseTarget(s string) (Target, error) {
	if len(s) > maxValue {
		return Target{}, fmt.Errorf("expected at most %d bytes", maxValue)
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return Target{}, errors.New("expected address:port or /name:port")
	}
	port, err := strconv.ParseUint(s[i+1:], 10, 16)
	if err != nil || port == 0 {
		return Target{}, errors.New("expected a port from 1 to 65535 after the last colon")
	}
	t := Target{Port: uint16(port)}
	if addr, err := netip.ParseAddr(unbracket(s[:i])); err == nil {
		if addr.Zone() != "" {
			return Target{}, errors.New("expected an address without a zone")
		}
		t.Addr = addr.Unmap()
		return t, nil
	}
	if t.Name = Fragment(strings.ReplaceAll(s[:i], "/", "")); t.Name == "" {
		return Target{}, errors.New("expected a name with at least one letter or digit before the port")
	}
	if len(t.Name) > maxName {
		return Target{}, fmt.Errorf("expected a name of at most %d bytes", maxName)
	}
	return t, nil
}

func unbracket(s string) string {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		return s[1 : len(s)-1]
	}
	return s
}

// keyKind classes label keys that look like a request for a VIP.
type keyKind int

const (
	keyOther   keyKind = iota
	keyVIP             // VIP_0, vip_12
	keyWeight          // VIP_0_WEIGHT
	keyStrange         // VIPER: counts only when lax
)

// classify sorts a port's label keys: VIP_<n> or vip_<n>; anything else that begins so is strange.
func classify(key string) (kind keyKind, number string) {
	rest, ok := strings.CutPrefix(key, "VIP")
	if !ok {
		if rest, ok = strings.CutPrefix(key, "vip"); !ok {
			return keyOther, ""
		}
	}
	if rest, ok = strings.CutPrefix(rest, "_"); !ok {
		return keyStrange, ""
	}
	if n, ok := strings.CutSuffix(rest, "_WEIGHT"); ok && digits(n) {
		return keyWeight, n
	}
	if digits(rest) {
		return keyVIP, rest
	}
	return keyStrange, ""
}

func digits(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// legacyKey reads the app-level key vip_PORT<n>, in any case: n counts the task's host ports from 0.
func legacyKey(key string) (index int, ok bool) {
	const prefix = "vip_port"
	if len(key) <= len(prefix) || !strings.EqualFold(key[:len(prefix)], prefix) || !digits(key[len(prefix):]) {
		return 0, false
	}
	n, err := strconv.Atoi(key[len(prefix):])
	return n, err == nil
}

// ParseProtocols reads a port's protocol: tcp, udp, or both joined by a comma; none means tcp. Others are named in the
// error while those that are known are still returned.
func ParseProtocols(s string) ([]Proto, error) {
	if s == "" {
		return []Proto{TCP}, nil
	}
	var list []Proto
	var err error
	for _, p := range strings.Split(strings.ToLower(s), ",") {
		switch strings.TrimSpace(p) {
		case "tcp":
			list = appendOnce(list, TCP)
		case "udp":
			list = appendOnce(list, UDP)
		default:
			err = errors.New("expected tcp, udp or tcp,udp")
		}
	}
	return list, err
}

func appendOnce(list []Proto, p Proto) []Proto {
	for _, q := range list {
		if p == q {
			return list
		}
	}
	return append(list, p)
}
