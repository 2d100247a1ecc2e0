package render

import (
	"strings"

	"berth/mlb/model"
)

// Kind says where a template's text goes and so what it must look like.
type Kind int

// Kinds of templates.
const (
	Block    Kind = iota // lines inside a section
	Sections             // one or more whole sections
	Words                // the middle of a server line
)

// Template is one place in the configuration that a text fills.
type Template struct {
	Name    string
	Vars    []string // in the order in which values are passed
	Literal bool     // in marathon-lb's language this text has no variables: braces stand for themselves
	Kind    Kind
	Opens   string // section keyword with which the text must begin; "" for none
	Fixed   bool   // of mlb itself: cannot be replaced
	Label   bool   // can be replaced for one service by HAPROXY_<n>_<Name>
	Doc     string
}

func vars(s string) []string { return strings.Fields(s) }

// Variables that several templates share.
const (
	healthVars = "healthCheckPort healthCheckPortIndex healthCheckProtocol healthCheckPath healthCheckTimeoutSeconds " +
		"healthCheckIntervalSeconds healthCheckGracePeriodSeconds healthCheckMaxConsecutiveFailures healthCheckFalls " +
		"healthCheckPortOptions healthCheckTimeout healthCheckInterval healthCheckTLSOptions healthCheck.protocol " +
		"healthCheck.path healthCheck.portIndex healthCheck.port healthCheck.timeoutSeconds " +
		"healthCheck.intervalSeconds healthCheck.gracePeriodSeconds healthCheck.maxConsecutiveFailures"
	ruleVars = "cleanedUpHostname hostname hostMatch backend appId path realm bindAddr httpsPort"
)

// Templates lists every template, in the order in which their texts appear (marathon-lb.md section 8).
var Templates = markLabels([]Template{
	{Name: "HEAD", Kind: Sections, Literal: true, Vars: vars("log accessLog maxconn frontendMaxconn stateFile options " +
		"statsBind adminSocket statsAuth"), Doc: "The global and defaults sections and the statistics page."},
	{Name: "GLOBAL", Kind: Sections, Fixed: true, Vars: vars("marker statsSocket stateFile hardStopAfter closeSpread " +
		"maxReloads user group adminSocket statsUser statsPassword"), Doc: "What mlb needs to steer HAProxy, whatever HEAD says."},
	{Name: "USERLIST_HEAD", Kind: Sections, Opens: "userlist", Vars: vars("backend user passwd"),
		Doc: "One user with a hashed password for a service with AUTH."},
	{Name: "HTTP_FRONTEND_HEAD", Kind: Sections, Literal: true, Opens: "frontend", Vars: vars("bind accessLog"),
		Doc: "Head of the frontend on the http port."},
	{Name: "HTTP_FRONTEND_APPID_HEAD", Kind: Sections, Literal: true, Opens: "frontend", Vars: vars("bind accessLog"),
		Doc: "Head of the frontend that routes by the header X-Marathon-App-Id."},
	{Name: "HTTPS_FRONTEND_HEAD", Kind: Sections, Opens: "frontend", Vars: vars("sslCerts bind accessLog"),
		Doc: "Head of the frontend on the https port."},
	{Name: "FRONTEND_HTTP_OPTIONS", Literal: true, Doc: "What every frontend in mode http has: idle connections are " +
		"closed after an answer rather than at once when a worker ends, so that no request is lost at a reload."},
	{Name: "MAP_FRONTEND_LOOKUP", Vars: vars("haproxy_dir"),
		Doc: "Looks host and path up in the maps, on both ports, and leaves the backend's name in txn.backend."},
	{Name: "MAP_FRONTEND_OWN_LOOKUP", Fixed: true, Vars: vars("haproxy_dir"),
		Doc: "Looks up whose own rules come first for host and path, where services have some, and leaves their names in txn.own."},
	{Name: "MAP_HTTP_FRONTEND_REDIRECT", Vars: vars("haproxy_dir httpsPort"),
		Doc: "Redirects to https what the maps lead to a service with REDIRECT_TO_HTTPS."},
	{Name: "MAP_HTTP_FRONTEND_ACL", Vars: vars("haproxy_dir"), Doc: "Sends to the backend that the lookup found, on http."},
	{Name: "MAP_HTTPS_FRONTEND_ACL", Vars: vars("hostname haproxy_dir"), Doc: "The same on https."},
	{Name: "MAP_HTTP_FRONTEND_APPID_ACL", Vars: vars("haproxy_dir"), Doc: "Sends to the backend of the app id."},

	{Name: "HTTP_FRONTEND_ACL", Vars: vars(ruleVars), Doc: "Rule for one virtual host."},
	{Name: "HTTP_FRONTEND_ACL_WITH_AUTH", Vars: vars(ruleVars), Doc: "Rule for one virtual host with AUTH."},
	{Name: "HTTP_FRONTEND_ACL_WITH_PATH", Vars: vars(ruleVars), Doc: "Rule for one virtual host with PATH."},
	{Name: "HTTP_FRONTEND_ACL_WITH_AUTH_AND_PATH", Vars: vars(ruleVars), Doc: "Rule for one virtual host with both."},
	{Name: "HTTP_FRONTEND_ACL_ONLY", Vars: vars(ruleVars), Doc: "ACL of one of several virtual hosts."},
	{Name: "HTTP_FRONTEND_ACL_ONLY_WITH_PATH", Vars: vars(ruleVars), Doc: "ACL of the path."},
	{Name: "HTTP_FRONTEND_ACL_ONLY_WITH_PATH_AND_AUTH", Vars: vars(ruleVars), Doc: "ACLs of path and user."},
	{Name: "HTTP_FRONTEND_ROUTING_ONLY", Vars: vars(ruleVars), Doc: "Sends to the backend by the hosts' ACL."},
	{Name: "HTTP_FRONTEND_ROUTING_ONLY_WITH_AUTH", Vars: vars(ruleVars), Doc: "The same with AUTH."},
	{Name: "HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH", Vars: vars(ruleVars), Doc: "The same with PATH."},
	{Name: "HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH_AND_AUTH", Vars: vars(ruleVars), Doc: "The same with both."},
	{Name: "BACKEND_REDIRECT_HTTP_TO_HTTPS", Vars: vars(ruleVars), Doc: "Redirect of a host to https."},
	{Name: "BACKEND_REDIRECT_HTTP_TO_HTTPS_WITH_PATH", Vars: vars(ruleVars), Doc: "Redirect of host and path to https."},
	{Name: "HTTP_FRONTEND_APPID_ACL", Vars: vars("cleanedUpAppId hostname appId backend"), Doc: "Rule for one app id."},
	{Name: "HTTPS_FRONTEND_ACL", Vars: vars(ruleVars), Doc: "Rule for a virtual host on https."},
	{Name: "HTTPS_FRONTEND_ACL_WITH_AUTH", Vars: vars(ruleVars), Doc: "The same with AUTH."},
	{Name: "HTTPS_FRONTEND_ACL_WITH_PATH", Vars: vars(ruleVars), Doc: "The same with PATH."},
	{Name: "HTTPS_FRONTEND_ACL_WITH_AUTH_AND_PATH", Vars: vars(ruleVars), Doc: "The same with both."},
	{Name: "HTTPS_FRONTEND_ACL_ONLY_WITH_PATH", Vars: vars(ruleVars), Doc: "ACL of the path on https."},

	{Name: "FRONTEND_HEAD", Kind: Sections, Opens: "frontend",
		Vars: vars("bindAddr backend servicePort mode sslCert bindOptions"), Doc: "Frontend on the service port."},
	{Name: "FRONTEND_BACKEND_GLUE", Vars: vars("backend"), Doc: "Sends from the service port to the backend."},
	{Name: "BACKEND_HEAD", Kind: Sections, Opens: "backend", Vars: vars("backend balance mode"), Doc: "Head of the backend."},
	{Name: "BACKEND_AUTH", Fixed: true, Vars: vars("backend realm"), Doc: "Asks for a user and password, on every way in."},
	{Name: "BACKEND_HSTS_OPTIONS", Literal: true, Doc: "Header for USE_HSTS."},
	{Name: "BACKEND_HTTP_OPTIONS", Literal: true, Vars: vars("overwriteForwarded"),
		Doc: "Headers that tell the app about the client."},
	{Name: "HTTP_BACKEND_PROXYPASS_GLUE",
		Vars: vars("hostname proxypath firstHostname hostMatches proxypathRegex"), Doc: "Takes a prefix off the path."},
	{Name: "HTTP_BACKEND_REVPROXY_GLUE", Vars: vars("hostname rootpath hostnameRegex rootpathFormat"),
		Doc: "Replaces Location headers that point to the app."},
	{Name: "HTTP_BACKEND_REDIR", Vars: vars("hostname redirpath redirpathFormat hostMatches"), Doc: "Redirects /."},
	{Name: "HTTP_BACKEND_NETWORK_ALLOWED_ACL", Vars: vars("network_allowed"), Doc: "One allowed network, in mode http."},
	{Name: "HTTP_BACKEND_ACL_ALLOW_DENY", Literal: true, Doc: "Refuses clients outside the networks, in mode http."},
	{Name: "TCP_BACKEND_NETWORK_ALLOWED_ACL", Vars: vars("network_allowed"), Doc: "One allowed network, in mode tcp."},
	{Name: "TCP_BACKEND_ACL_ALLOW_DENY", Literal: true, Doc: "Refuses clients outside the networks, in mode tcp."},
	{Name: "BACKEND_STICKY_OPTIONS", Literal: true, Doc: "Cookie for STICKY."},
	{Name: "SPARE_FRONTENDS", Kind: Sections, Fixed: true, Vars: vars("binds socket user haproxy_dir"),
		Doc: "The ports that are kept open for apps to come: the way to the backend that a claim names."},
	{Name: "SPARE_BACKEND_CHECK", Fixed: true, Vars: vars("haproxy_dir timeout"),
		Doc: "HTTP check of a spare backend: its path is in a map."},
	{Name: "BACKEND_HTTP_HEALTHCHECK_OPTIONS", Vars: vars(healthVars), Doc: "The request of an HTTP check."},
	{Name: "BACKEND_TCP_HEALTHCHECK_OPTIONS", Vars: vars(healthVars), Doc: "The same for a TCP check: nothing."},
	{Name: "BACKEND_SERVER_OPTIONS", Vars: vars("serverName host_ipv4 port serverId cookieOptions healthCheckOptions " +
		"otherOptions host"), Doc: "One server. It is also what a server added at run time is made of."},
	{Name: "BACKEND_SERVER_HTTP_HEALTHCHECK_OPTIONS", Kind: Words, Vars: vars(healthVars), Doc: "A server's HTTP check."},
	{Name: "BACKEND_SERVER_TCP_HEALTHCHECK_OPTIONS", Kind: Words, Vars: vars(healthVars), Doc: "A server's TCP check."},
})

// markLabels says of each template whether the label table has it.
func markLabels(list []Template) []Template {
	for i := range list {
		for _, l := range model.Labels {
			if l.PerPort && l.Type == model.Template && !l.Dead && l.Name == list[i].Name {
				list[i].Label = true
			}
		}
	}
	return list
}

var templateByName = func() map[string]*Template {
	m := make(map[string]*Template, len(Templates))
	for i := range Templates {
		m[Templates[i].Name] = &Templates[i]
	}
	return m
}()
