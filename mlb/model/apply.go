package model

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"berth/mlb/legacy"
)

// draft is a service while its labels are applied, with what only building needs to know.
type draft struct {
	*Service
	modeSet        bool
	healthIndex    int
	hasHealthIndex bool
	warn           func(format string, args ...any) // about the label at hand
}

func (d *draft) bool(value string) bool {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "true", "t", "yes", "y":
		return true
	case "false", "f", "no", "n", "":
		return false
	}
	d.warn("is read as false; expected true or false")
	return false
}

func integer(value string, low, high int) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(value))
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("expected a whole number from %d to %d", low, high)
	}
	return n, nil
}

func applyAuth(d *draft, value string) error {
	parts := strings.Split(value, ":")
	if len(parts) != 3 {
		return fmt.Errorf("expected realm:user:hash, three parts")
	}
	realm := strings.ReplaceAll(strings.TrimSpace(parts[0]), `\ `, " ")
	user, hash := strings.TrimSpace(parts[1]), strings.TrimSpace(parts[2])
	switch {
	case !realmText.MatchString(realm):
		return fmt.Errorf("expected a realm of letters, digits, blanks and -_.,@/()")
	case !userText.MatchString(user):
		return fmt.Errorf("expected a user name of letters, digits and -_.@+")
	case !hashText.MatchString(hash):
		return fmt.Errorf("expected a password hash as made by mkpasswd, such as $6$…; a plain password never matches")
	}
	d.Auth = &Auth{Realm: realm, User: user, PasswordHash: hash}
	return nil
}

func applyHealthIndex(d *draft, value string) (err error) {
	d.healthIndex, err = integer(value, -maxPorts, maxPorts)
	d.hasHealthIndex = err == nil
	return err
}

func applyNetworks(d *draft, value string) error {
	fields := strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' })
	if len(fields) > maxNetworks {
		return fmt.Errorf("expected at most %d networks", maxNetworks)
	}
	for _, f := range fields {
		if _, err := netip.ParseAddr(f); err == nil && !strings.Contains(f, "%") {
			continue
		}
		if _, err := netip.ParsePrefix(f); err != nil {
			return fmt.Errorf("expected IP addresses and networks such as 10.0.0.0/8; %q is neither", Shorten(f))
		}
	}
	if len(fields) == 0 {
		d.warn("is empty: everyone is allowed")
	}
	d.AllowedNetworks = fields
	return nil
}

func applyWeight(d *draft, value string) (err error) {
	d.Weight, err = integer(value, -1_000_000, 1_000_000)
	d.WeightSet = err == nil
	return err
}

func applyBalance(d *draft, value string) error {
	value = strings.Join(strings.Fields(value), " ")
	if !balanceText.MatchString(value) {
		return fmt.Errorf("expected an algorithm of HAProxy's balance keyword, such as roundrobin, leastconn or source")
	}
	d.Balance = value
	return nil
}

func applyBindAddr(d *draft, value string) error {
	value = strings.TrimSpace(value)
	if value != "*" {
		a, err := netip.ParseAddr(strings.Trim(value, "[]"))
		if err != nil || a.Zone() != "" {
			return fmt.Errorf("expected an IP address or *")
		}
		value = a.String()
		if a.Is6() {
			value = "[" + value + "]"
		}
	}
	d.BindAddr = value
	return nil
}

func applyBindOptions(d *draft, value string) error {
	value = strings.Join(strings.Fields(value), " ")
	if !bindOptionsText.MatchString(value) {
		return fmt.Errorf("expected words of HAProxy's bind keyword, without quotes and comments")
	}
	if slices.Contains(strings.Fields(value), "crt-list") { // HAProxy quotes what it cannot read: it could be any file
		return fmt.Errorf("expected no crt-list; %s names the certificates", d.key("SSL_CERT"))
	}
	d.BindOptions = value
	return nil
}

func applyProxypass(d *draft, value string) (err error) {
	d.ProxypassPath, err = path(value)
	return err
}

func applyRedirect(d *draft, value string) (err error) {
	d.RedirectPath, err = location(value)
	return err
}

func applyRevproxy(d *draft, value string) (err error) {
	d.RevproxyPath, err = location(value)
	return err
}

func applyMode(d *draft, value string) error {
	switch m := Mode(strings.ToLower(strings.TrimSpace(value))); m {
	case HTTP, TCP:
		d.Mode, d.modeSet = m, true
		return nil
	}
	return fmt.Errorf("expected http or tcp")
}

func applyPath(d *draft, value string) error {
	fields := strings.Fields(value)
	if len(fields) > 0 && fields[0] == "-i" {
		d.PathFlags, fields = "-i", fields[1:]
	}
	if len(fields) > maxPaths {
		return fmt.Errorf("expected at most %d paths", maxPaths)
	}
	for _, f := range fields {
		p, err := path(f)
		if err != nil {
			return err
		}
		if !slices.Contains(d.Paths, p) {
			d.Paths = append(d.Paths, p)
		}
	}
	return nil
}

func applyPort(d *draft, value string) (err error) {
	d.Port, err = integer(value, 1, maxPort)
	return err
}

func applyRedirectHTTPS(d *draft, value string) error {
	d.RedirectToHTTPS = d.bool(value)
	return nil
}

func applySSLCert(d *draft, value string) error {
	value = strings.TrimSpace(value)
	if !fileText.MatchString(value) {
		return fmt.Errorf("expected one absolute path")
	}
	d.SSLCert = value
	return nil
}

func applySticky(d *draft, value string) error {
	d.Sticky = d.bool(value)
	return nil
}

func applyHSTS(d *draft, value string) error {
	d.HSTS = d.bool(value)
	return nil
}

func applyVHost(d *draft, value string) error {
	list := strings.Split(value, ",")
	if len(list) > maxVHosts {
		return fmt.Errorf("expected at most %d host names", maxVHosts)
	}
	for _, v := range list {
		name, hadPort, err := hostName(v)
		switch {
		case err != nil:
			return err
		case name == "":
			continue
		case hadPort:
			d.warn("ports are not part of a virtual host; %q is used", name)
		}
		if !slices.Contains(d.VHosts, name) {
			d.VHosts = append(d.VHosts, name)
		}
	}
	return nil
}

func applyTemplate(name string) func(*draft, string) error {
	return func(d *draft, value string) error {
		text, err := templateText(value)
		if err != nil {
			return err
		}
		text, notes, err := legacy.Translate(text)
		if err != nil {
			return err
		}
		for _, n := range notes {
			d.warn("%s", n)
		}
		if d.Templates == nil {
			d.Templates = make(map[string]string)
		}
		d.Templates[name] = text
		return nil
	}
}
