package render

// FormerTemplate is a template of marathon-lb that is accepted and has no effect: a warning says why.
type FormerTemplate struct {
	Name string
	Why  string
}

// FormerTemplates lists them. marathon-lb itself never used the first three.
var FormerTemplates = []FormerTemplate{
	{"HTTPS_FRONTEND_AUTH_ACL_ONLY", "marathon-lb never used it; HTTPS_FRONTEND_ACL_WITH_AUTH is what takes part"},
	{"HTTPS_FRONTEND_AUTH_REQUEST_ONLY", "marathon-lb never used it; HTTPS_FRONTEND_ACL_WITH_AUTH is what takes part"},
	{"HTTPS_FRONTEND_ROUTING_ONLY_WITH_PATH_AND_AUTH",
		"marathon-lb never used it; HTTPS_FRONTEND_ACL_WITH_AUTH_AND_PATH is what takes part"},
	{"HTTPS_GROUPED_FRONTEND_HEAD", "one frontend terminates TLS for all virtual hosts; HTTPS_FRONTEND_HEAD is its head"},
	{"HTTPS_GROUPED_VHOST_FRONTEND_ACL", "certificates and TLS options of a virtual host are in the list of certificates"},
	{"HTTPS_GROUPED_VHOST_BACKEND_HEAD", "certificates and TLS options of a virtual host are in the list of certificates"},
	{"HTTPS_GROUPED_VHOST_FRONTEND_HEAD", "certificates and TLS options of a virtual host are in the list of certificates"},
	{"MAP_HTTP_FRONTEND_ACL_ONLY", "MAP_FRONTEND_LOOKUP does what was meant, on both ports"},
}

var formerByName = func() map[string]*FormerTemplate {
	m := make(map[string]*FormerTemplate, len(FormerTemplates))
	for i := range FormerTemplates {
		m[FormerTemplates[i].Name] = &FormerTemplates[i]
	}
	return m
}()
