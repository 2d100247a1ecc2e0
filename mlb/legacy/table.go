package legacy

import (
	"errors"
	"fmt"
	"strings"
)

// rule turns what follows a removed directive into the line of today. An empty line with a reason leaves it out; an empty
// line without one keeps it. The error says what to write.
type rule func(rest string) (now, why string, err error)

// directives that HAProxy 2.6 does not know (configuration manuals 1.9 to 2.6, section 4), by name in lower case.
var directives = map[string]rule{
	"rspadd": addHeader("http-response"), "reqadd": addHeader("http-request"),
	"rspdel": deleteHeader("http-response"), "rspidel": deleteHeader("http-response"),
	"reqdel": deleteHeader("http-request"), "reqidel": deleteHeader("http-request"),
	"rsprep": replace("http-response", false), "rspirep": replace("http-response", true),
	"reqrep": replace("http-request", false), "reqirep": replace("http-request", true),

	"rspdeny": deny("http-response"), "rspideny": deny("http-response"),
	"reqdeny": deny("http-request"), "reqideny": deny("http-request"),
	"reqallow": deny("http-request"), "reqiallow": deny("http-request"),
	"reqpass": deny("http-request"), "reqipass": deny("http-request"),
	"reqtarpit": deny("http-request"), "reqitarpit": deny("http-request"),
	"reqsetbe": refuse("write use_backend with a condition"), "reqisetbe": refuse("write use_backend with a condition"),

	"block":      rename("http-request deny"),
	"redispatch": rename("option redispatch"), "redisp": rename("option redispatch"),
	"contimeout": rename("timeout connect"), "clitimeout": rename("timeout client"), "srvtimeout": rename("timeout server"),
	"grace":       drop("HAProxy hands its listeners over at a reload"),
	"nbproc":      drop("HAProxy runs threads instead, one for each processor"),
	"daemon":      drop("mlb runs HAProxy in the foreground and looks after it"),
	"appsession":  refuse("write a cookie line, or HAPROXY_<n>_STICKY=true"),
	"monitor-net": refuse("write http-request return status 200 if { src <network> }"),
	"transparent": rename("option transparent"),
	"lua-load":    luaLoad,
}

// options of the option keyword, likewise.
var options = map[string]rule{
	"forceclose":             rename("option httpclose"),
	"http-tunnel":            refuse("leave it out: connections that are upgraded are tunnels without it"),
	"http-use-htx":           drop("it is what HAProxy always does"),
	"http-use-proxy-header":  drop("it has had no effect for long"),
	"http-pretend-keepalive": keep,
}

func rename(to string) rule {
	return func(rest string) (string, string, error) { return strings.TrimSpace(to + " " + rest), "", nil }
}

func drop(why string) rule {
	return func(string) (string, string, error) { return "", why, nil }
}

func keep(string) (string, string, error) { return "", "", nil }

func refuse(instead string) rule {
	return func(string) (string, string, error) { return "", "", errors.New(instead) }
}

func deny(what string) rule {
	return refuse(fmt.Sprintf("write an ACL and %s deny if it, such as %s deny if { %s }", what, what,
		map[string]string{"http-request": "path_beg /private", "http-response": "res.hdr(x-secret) -m found"}[what]))
}

// luaLoad leaves marathon-lb's own scripts out and keeps others.
func luaLoad(rest string) (string, string, error) {
	file, _ := cut(rest)
	switch file[strings.LastIndexByte(file, '/')+1:] {
	case "getpids.lua", "getconfig.lua", "getmaps.lua", "signalmlb.lua":
		return "", "mlb answers these pages itself", nil
	}
	return "", "", nil
}
