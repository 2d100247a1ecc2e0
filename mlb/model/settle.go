package model

import "strconv"

// settle resolves what depends on several labels at once. False leaves the service out.
func (b *unitBuild) settle(d *draft) bool {
	if d.Mode == TCP && !b.settleTCP(d) {
		return false
	}
	if len(d.VHosts) == 0 {
		if len(d.Paths) > 0 {
			b.p.warnf(d.key("PATH"), "", "a path needs %s to have an effect", d.key("VHOST"))
			d.Paths, d.PathFlags = nil, ""
		}
		if d.RedirectToHTTPS {
			b.p.warnf(d.key("REDIRECT_TO_HTTPS"), "", "a redirect needs %s to have an effect", d.key("VHOST"))
			d.RedirectToHTTPS = false
		}
	}
	if len(d.Paths) > 0 && d.Weight == 0 {
		d.Weight = 1
	}
	if d.SSLCert != "" && b.opt.Certificate != nil {
		if err := b.opt.Certificate(d.SSLCert); err != nil {
			b.p.errorf(d.key("SSL_CERT"), d.SSLCert, "%s; the port is not opened", err.Error())
			d.SSLCert, d.Unbound = "", true
		}
	}
	return true
}

// settleTCP drops what only HTTP has. Authentication cannot be dropped: the service is left out instead.
func (b *unitBuild) settleTCP(d *draft) bool {
	if d.Auth != nil {
		b.p.errorf(d.key("AUTH"), "", "authentication needs mode http; the port is left out")
		return false
	}
	ignore := func(label string, set bool) {
		if set {
			b.p.warnf(d.key(label), "", "has no effect in mode tcp")
		}
	}
	ignore("VHOST", len(d.VHosts) > 0)
	ignore("STICKY", d.Sticky)
	ignore("USE_HSTS", d.HSTS)
	ignore("HTTP_BACKEND_PROXYPASS_PATH", d.ProxypassPath != "")
	ignore("HTTP_BACKEND_REVPROXY_PATH", d.RevproxyPath != "")
	ignore("HTTP_BACKEND_REDIR", d.RedirectPath != "")
	d.VHosts, d.HSTS, d.ProxypassPath, d.RevproxyPath, d.RedirectPath = nil, false, "", "", ""
	d.Sticky = false // its checks stay (section 7.2)
	for i := range d.Servers {
		d.Servers[i].Cookie = ""
	}
	return true
}

func (d *draft) key(label string) string { return "HAPROXY_" + strconv.Itoa(d.Index) + "_" + label }
