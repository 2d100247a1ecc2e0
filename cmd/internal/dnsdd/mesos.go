package dnsdd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
)

// maxConfig bounds a configuration file in bytes.
const maxConfig = 1 << 20

// document is a configuration file: a JSON object whose keys are names of flags or keys of Mesos-DNS' config.json, which are
// matched in any case (dns.md section 11).
type document map[string]any

func readDocument(file string) (document, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, cli.UsageError{Err: fmt.Errorf("config file: %w", err)}
	}
	if len(data) > maxConfig {
		return nil, cli.Usagef("config file %s: more than %d bytes", file, maxConfig)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var doc document
	if err := d.Decode(&doc); err != nil {
		return nil, cli.Usagef("config file %s: expected a JSON object: %v", file, err)
	}
	return doc, nil
}

// renamed are Mesos-DNS' keys, in lower case, that are a flag of another name with the same meaning.
var renamed = map[string]string{
	"ttl": "ttl", "domain": "domain", "masters": "masters", "resolvers": "resolvers", "srvrecorddefaultweight": "srv-weight",
	"externalon": "external", "recurseon": "recursion-available", "soamname": "soa-mname", "soarname": "soa-rname",
	"soarefresh": "soa-refresh", "soaretry": "soa-retry", "soaexpire": "soa-expire", "soaminttl": "soa-minimum",
	"ipsources": "ip-sources", "enforcerfc952": "rfc952", "settruncatebit": "truncate-bit", "enumerationon": "enumeration",
	"cacertfile": "marathon-ca-cert", "certfile": "marathon-client-cert", "keyfile": "marathon-client-key",
}

// inSeconds are keys that count seconds, of flags that take a duration.
var inSeconds = map[string]string{"refreshseconds": "resync", "timeout": "timeout"}

// without are keys whose matter is settled otherwise here.
var without = map[string]string{
	"zk":                  "the orchestrators are given by --marathon",
	"zkdetectiontimeout":  "dnsd does not end when its source is away",
	"statetimeoutseconds": "time limits are the client's own",
	"mesoshttpson":        "the URLs of --marathon say https",
	"iamconfigfile":       "use --dcos-auth-credentials",
}

// apply gives the values of a file to flags that were set neither on the command line nor in the environment. It returns
// warnings about keys that have no effect.
func (doc document) apply(cmd *cobra.Command, file string) (warnings []string, err error) {
	values, warnings, err := doc.flags(func(name string) bool { return name != "config" && cmd.Flags().Lookup(name) != nil })
	if err != nil {
		return nil, cli.Usagef("config file %s: %v", file, err)
	}
	for _, v := range values {
		if f := cmd.Flags().Lookup(v.flag); f == nil || f.Changed {
			continue
		}
		for _, text := range v.values {
			if err := cmd.Flags().Set(v.flag, text); err != nil {
				return nil, cli.Usagef("config file %s: key %q: %v", file, v.key, err)
			}
		}
	}
	for i := range warnings {
		warnings[i] = "config file " + file + ": " + warnings[i]
	}
	return warnings, nil
}

// setting is what one key says to one flag.
type setting struct {
	key, flag string
	values    []string
}

// flags translates the document; known tells the names of flags.
func (doc document) flags(known func(string) bool) (out []setting, warnings []string, err error) {
	keys := make([]string, 0, len(doc))
	for k := range doc {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	lower := map[string]any{}
	for _, k := range keys {
		lower[strings.ToLower(k)] = doc[k]
	}
	for _, k := range keys {
		s, warning, err := translate(k, doc[k], known)
		if err != nil {
			return nil, nil, err
		}
		if warning != "" {
			warnings = append(warnings, warning)
		}
		if s.flag != "" {
			out = append(out, s)
		}
	}
	more, err := composed(lower)
	return append(out, more...), warnings, err
}

func translate(key string, value any, known func(string) bool) (setting, string, error) {
	low := strings.ToLower(key)
	if slices.Contains(composedKeys, low) {
		return setting{}, "", nil
	}
	if why, ok := without[low]; ok {
		return setting{}, fmt.Sprintf("key %q has no effect: %s", key, why), nil
	}
	texts, err := scalars(value)
	if err != nil {
		if _, mine := renamed[low]; !mine && !known(key) {
			return setting{}, fmt.Sprintf("unknown key %q", key), nil
		}
		return setting{}, "", fmt.Errorf("key %q: %w", key, err)
	}
	switch {
	case inSeconds[low] != "" && len(texts) == 1 && strings.Trim(texts[0], "0123456789") == "":
		return setting{key, inSeconds[low], []string{texts[0] + "s"}}, "", nil
	case renamed[low] != "":
		if len(texts) == 1 && texts[0] == "" {
			return setting{}, "", nil
		}
		return setting{key, renamed[low], texts}, "", nil
	case known(key):
		return setting{key, key, texts}, "", nil
	}
	return setting{}, fmt.Sprintf("unknown key %q", key), nil
}

func scalars(value any) ([]string, error) {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	out := make([]string, 0, len(list))
	for _, e := range list {
		switch e.(type) {
		case string, bool, json.Number:
			out = append(out, fmt.Sprint(e))
		default:
			return nil, fmt.Errorf("expected a string, number, boolean or a list of them")
		}
	}
	return out, nil
}

// composedKeys are keys that only together, or taken apart, make a flag.
var composedKeys = []string{
	"port", "listener", "dnson", "httpport", "httplistener", "httpon", "zoneresolvers", "mesoscredentials", "mesosauthentication",
	"certfile", "keyfile",
}

func composed(doc map[string]any) (out []setting, err error) {
	text := func(key, def string) string {
		if v, ok := doc[key]; ok {
			return fmt.Sprint(v)
		}
		return def
	}
	address := func(flag, host, port, on, defPort string) {
		if text(on, "true") == "false" {
			out = append(out, setting{on, flag, []string{""}})
		} else if doc[host] != nil || doc[port] != nil {
			out = append(out, setting{host, flag, []string{net.JoinHostPort(anyHost(text(host, "")), text(port, defPort))}})
		}
	}
	address("listen", "listener", "port", "dnson", "53")
	address("http", "httplistener", "httpport", "httpon", "8123")
	if text("dnson", "true") == "false" && text("httpon", "true") == "false" {
		return nil, fmt.Errorf(`keys "dnson" and "httpon": expected at least one to be true`)
	}
	if doc["certfile"] != nil && text("certfile", "") != "" {
		return nil, fmt.Errorf(`key "certFile": client certificates are not supported; use credentials`)
	}
	zones, err := zoneResolvers(doc["zoneresolvers"])
	out = append(out, zones...)
	if err == nil && strings.EqualFold(text("mesosauthentication", ""), "basic") {
		m, ok := doc["mesoscredentials"].(map[string]any)
		if !ok {
			return nil, fmt.Errorf(`key "mesosCredentials": expected {"principal":…,"secret":…}`)
		}
		out = append(out, setting{"mesosCredentials", "auth-credentials", []string{fmt.Sprint(m["principal"], ":", m["secret"])}})
	}
	return out, err
}

// anyHost is the empty host for the address that means all.
func anyHost(host string) string {
	if host == "0.0.0.0" {
		return ""
	}
	return host
}

func zoneResolvers(value any) ([]setting, error) {
	if value == nil {
		return nil, nil
	}
	m, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf(`key "zoneResolvers": expected an object of zones and lists of addresses`)
	}
	s := setting{key: "zoneResolvers", flag: "zone-resolvers"}
	for zone, v := range m {
		list, err := scalars(v)
		if err != nil {
			return nil, fmt.Errorf(`key "zoneResolvers" of %q: %w`, zone, err)
		}
		s.values = append(s.values, zone+"="+strings.Join(list, ","))
	}
	slices.Sort(s.values)
	if len(s.values) == 0 {
		return nil, nil
	}
	return []setting{s}, nil
}
