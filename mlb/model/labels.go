package model

import (
	"slices"
	"strings"

	"berth/orchestrator/api"
)

// Type of a label's value.
type Type string

// Types of label values.
const (
	Bool     Type = "bool"     // true, t, yes or y in any case; every other word is false
	Int      Type = "int"      // decimal
	Text     Type = "text"     //
	List     Type = "list"     // elements separated by commas or blanks, as the label's own description says
	Template Type = "template" // a text of the configuration, see render.Templates
)

// Label is one label that mlb knows. Parsing, the warnings about unknown labels and the documentation come from the table
// of these rows.
type Label struct {
	Name    string // whole, or for a per-port label what follows HAPROXY_<n>_
	PerPort bool
	Type    Type
	Default string
	Doc     string // one or two sentences
	Example string // a value, for the documentation
	Secret  bool   // the value must not be shown
	Dead    bool   // accepted by marathon-lb and without effect there; here it is reported
	Instead string // what does what a dead one was meant to do

	apply func(d *draft, value string) error // nil: read elsewhere
}

// Key is how the label is written, with <n> for the port index.
func (l Label) Key() string {
	if l.PerPort {
		return "HAPROXY_<n>_" + l.Name
	}
	return l.Name
}

// Limit is the longest value accepted, in bytes.
func (l Label) Limit() int {
	switch l.Type {
	case Template:
		return maxTemplate
	case List:
		return maxListValue
	}
	return maxSetting
}

// Labels lists every label, app labels first, each part by name: the order in which per-port labels are applied.
var Labels = slices.Concat(appLabels, sortedPortLabels())

var appLabels = []Label{
	{
		Name: api.LabelCanaryOf, Example: `/web`, Type: Text,
		Doc: "Makes the app a canary of another one: its tasks become servers of the other app's backends, and it has none itself.",
	},
	{
		Name: api.LabelCanaryWeight, Example: `10`, Type: Int, Default: "every task gets the same",
		Doc: "Percent of the traffic that goes to the canary's tasks, 0 to 100.",
	},
	{Name: "HAPROXY_APP_ID", Example: `/web`, Type: Text, Doc: "Written by zdd: the app's id before colours. Read by nobody."},
	{Name: "HAPROXY_DEPLOYMENT_ALT_PORT", Example: `10001`, Type: Int, Doc: "Service port of the other colour; read by zdd only."},
	{Name: "HAPROXY_DEPLOYMENT_COLOUR", Example: `blue`, Type: Text, Doc: "Blue or green; read by zdd only."},
	{Name: labelDeployGroup, Example: `web`, Type: Text, Doc: "Apps of one group are merged into one app with this id."},
	{Name: labelDeployNew, Example: `2`, Type: Int, Doc: "Marks a hybrid deployment: how many new instances stay beside the old."},
	{Name: labelDeployStart, Example: `2026-01-02T15:04:05`, Type: Text, Doc: "ISO 8601 time that decides which app of a group is the old one."},
	{Name: labelDeployTarget, Example: `4`, Type: Int, Doc: "How many instances a group shall have when its deployment ends."},
	{Name: "HAPROXY_GROUP", Example: `external`, Type: List, Doc: "Groups of load balancers that serve the app, separated by commas."},
}

// portLabels are the setting labels of one service port (marathon-lb.md section 7.2).
var portLabels = []Label{
	{
		Name: "AUTH", Example: `private:joe:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1`, Type: Text, Secret: true, apply: applyAuth,
		Doc: "HTTP basic authentication, realm:user:hash, with a crypt hash (mkpasswd). It holds on every way to the app.",
	},
	{
		Name: "BACKEND_HEALTHCHECK_PORT_INDEX", Example: `0`, Type: Int, apply: applyHealthIndex,
		Doc: "Check the port of this other service of the app, counted by service port, instead of the own one.",
	},
	{
		Name: "BACKEND_NETWORK_ALLOWED_ACL", Example: `10.0.0.0/8 192.168.1.7`, Type: List, apply: applyNetworks,
		Doc: "Addresses and networks, separated by blanks, that may use the app; everyone else is refused.",
	},
	{
		Name: "BACKEND_WEIGHT", Example: `5`, Type: Int, Default: "0, or 1 with a path", apply: applyWeight,
		Doc: "Order among the routes of several apps; larger goes first. It does not spread load.",
	},
	{Name: "BALANCE", Example: `leastconn`, Type: Text, Default: "roundrobin", apply: applyBalance, Doc: "Algorithm of HAProxy's balance keyword."},
	{Name: "BIND_ADDR", Example: `127.0.0.1`, Type: Text, Default: "*", apply: applyBindAddr, Doc: "Address on which the service port is opened."},
	{Name: "BIND_OPTIONS", Example: `accept-proxy`, Type: Text, apply: applyBindOptions, Doc: "Further words on the service port's bind line."},
	{Name: "ENABLED", Example: `false`, Type: Bool, Default: "true, with --strict-mode false", Doc: "False leaves the port out."},
	{Name: "GROUP", Example: `internal,external`, Type: List, Default: "HAPROXY_GROUP", Doc: "Groups of load balancers that serve this port."},
	{
		Name: "HTTP_BACKEND_PROXYPASS_PATH", Example: `/prefix`, Type: Text, apply: applyProxypass,
		Doc: "Prefix taken off the path before the app sees it; Host becomes the virtual host.",
	},
	{
		Name: "HTTP_BACKEND_REDIR", Example: `/home`, Type: Text, apply: applyRedirect,
		Doc: "Where a request for / of the virtual host is redirected to, with status 301.",
	},
	{
		Name: "HTTP_BACKEND_REVPROXY_PATH", Example: `/outside`, Type: Text, apply: applyRevproxy,
		Doc: "Replaces a Location header that points to the app itself.",
	},
	{Name: "MODE", Example: `tcp`, Type: Text, Default: "http with an HTTP check or a virtual host, else tcp", apply: applyMode, Doc: "http or tcp."},
	{
		Name: "PATH", Example: `/api /v2`, Type: List, apply: applyPath,
		Doc: "Path prefixes, separated by blanks, that go to the app; of use with a virtual host. -i first ignores case.",
	},
	{Name: "PORT", Example: `10010`, Type: Int, Default: "the service port", apply: applyPort, Doc: "Opens this port instead; names follow it."},
	{
		Name: "REDIRECT_TO_HTTPS", Example: `true`, Type: Bool, Default: "false", apply: applyRedirectHTTPS,
		Doc: "Redirects plain requests for the virtual host to https, with status 301.",
	},
	{
		Name: "SSL_CERT", Example: `/etc/ssl/web.pem`, Type: Text, apply: applySSLCert,
		Doc: "Certificate file or directory for the service port, and for the virtual host on the https port.",
	},
	{Name: "STICKY", Example: `true`, Type: Bool, Default: "false", apply: applySticky, Doc: "A cookie keeps a client on one server."},
	{
		Name: "USE_HSTS", Example: `true`, Type: Bool, Default: "false", apply: applyHSTS,
		Doc: "Answers carry Strict-Transport-Security with max-age 15768000 seconds.",
	},
	{
		Name: "VHOST", Example: `www.example.com,*.example.org`, Type: List, apply: applyVHost,
		Doc: "Host names, separated by commas, that lead to the app on ports 80 and 443; *.example.com takes every name below.",
	},
}

// templateLabels are the templates that a label can replace for one service (section 7.3).
var templateLabels = []string{
	"FRONTEND_HEAD", "FRONTEND_BACKEND_GLUE", "USERLIST_HEAD", "BACKEND_HEAD", "BACKEND_HTTP_OPTIONS",
	"BACKEND_HSTS_OPTIONS", "BACKEND_STICKY_OPTIONS", "BACKEND_HTTP_HEALTHCHECK_OPTIONS",
	"BACKEND_TCP_HEALTHCHECK_OPTIONS", "BACKEND_SERVER_OPTIONS", "BACKEND_SERVER_HTTP_HEALTHCHECK_OPTIONS",
	"BACKEND_SERVER_TCP_HEALTHCHECK_OPTIONS", "BACKEND_REDIRECT_HTTP_TO_HTTPS",
	"BACKEND_REDIRECT_HTTP_TO_HTTPS_WITH_PATH", "HTTP_BACKEND_PROXYPASS_GLUE", "HTTP_BACKEND_REVPROXY_GLUE",
	"HTTP_BACKEND_NETWORK_ALLOWED_ACL", "TCP_BACKEND_NETWORK_ALLOWED_ACL", "HTTP_FRONTEND_APPID_ACL",
	"HTTP_FRONTEND_ACL", "HTTP_FRONTEND_ACL_WITH_AUTH", "HTTP_FRONTEND_ACL_WITH_PATH",
	"HTTP_FRONTEND_ACL_WITH_AUTH_AND_PATH", "HTTP_FRONTEND_ACL_ONLY", "HTTP_FRONTEND_ACL_ONLY_WITH_PATH",
	"HTTP_FRONTEND_ACL_ONLY_WITH_PATH_AND_AUTH", "HTTP_FRONTEND_ROUTING_ONLY",
	"HTTP_FRONTEND_ROUTING_ONLY_WITH_AUTH", "HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH",
	"HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH_AND_AUTH", "HTTPS_FRONTEND_ACL", "HTTPS_FRONTEND_ACL_WITH_AUTH",
	"HTTPS_FRONTEND_ACL_WITH_PATH", "HTTPS_FRONTEND_ACL_WITH_AUTH_AND_PATH", "HTTPS_FRONTEND_ACL_ONLY_WITH_PATH",
}

// deadLabels are template names that marathon-lb took as labels and never used.
var deadLabels = []string{
	"MAP_HTTP_FRONTEND_ACL", "MAP_HTTP_FRONTEND_ACL_ONLY", "MAP_HTTPS_FRONTEND_ACL", "MAP_HTTP_FRONTEND_APPID_ACL",
}

// globalLabels are names of templates that some wrote as labels, which neither marathon-lb nor this load balancer reads.
var globalLabels = map[string]string{
	"HTTPS_FRONTEND_AUTH_ACL_ONLY":                   "HTTPS_FRONTEND_ACL_WITH_AUTH",
	"HTTPS_FRONTEND_AUTH_REQUEST_ONLY":               "HTTPS_FRONTEND_ACL_WITH_AUTH",
	"HTTPS_FRONTEND_ROUTING_ONLY_WITH_PATH_AND_AUTH": "HTTPS_FRONTEND_ACL_WITH_AUTH_AND_PATH",
}

func sortedPortLabels() []Label {
	list := slices.Clone(portLabels)
	for _, name := range templateLabels {
		list = append(list, Label{
			Name: name, Type: Template, Secret: name == "USERLIST_HEAD", Doc: "Replaces the template of this name for the service.",
		})
	}
	for _, name := range deadLabels {
		list = append(list, Label{
			Name: name, Type: Template, Dead: true, Instead: strings.TrimPrefix(name, "MAP_"),
			Doc: "Without effect; use the name without MAP_.",
		})
	}
	for name, instead := range globalLabels {
		list = append(list, Label{
			Name: name, Type: Template, Dead: true, Instead: instead, Doc: "Without effect, as in marathon-lb; use " + instead + ".",
		})
	}
	for i := range list {
		list[i].PerPort = true
		if list[i].Type == Template && !list[i].Dead {
			list[i].apply = applyTemplate(list[i].Name)
		}
	}
	slices.SortFunc(list, func(a, b Label) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return list
}

var portLabelByName, appLabelByName = byName(true), byName(false)

// byName indexes one part of the table.
func byName(perPort bool) map[string]*Label {
	m := make(map[string]*Label)
	for i := range Labels {
		if l := &Labels[i]; l.PerPort == perPort {
			m[l.Name] = l
		}
	}
	return m
}
