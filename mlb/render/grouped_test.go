package render

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/mlb/model"
)

func TestGroupHTTPS(t *testing.T) {
	service := func(name, cert, options string, hosts ...string) *model.Service {
		return &model.Service{App: "/" + name, Name: name + "_1", Port: 1, Mode: model.HTTP, Balance: "roundrobin", BindAddr: "*",
			SSLCert: cert, BindOptions: options, VHosts: hosts, Unbound: true}
	}
	m := &model.Model{Services: []*model.Service{
		service("a", "/a.pem", "", "a.test", "shared.test"),
		service("b", "/b.pem", "verify required ca-file /ca.pem accept-proxy", "shared.test"),
		service("c", "", "ssl-min-ver TLSv1.3 verify optional", "*.c.test"),
		service("d", "", "", "d.test"),
	}}
	opt := Options{Certificates: []string{"/one.pem", "/two"}, GroupHTTPS: true, MapDir: "/dir",
		CertificateFor: func(host string) string { return "/for-" + strings.TrimPrefix(host, "*.") + ".pem" }}
	out, found := Files(m, opt)
	want := "/for-.pem !*\n" +
		"/a.pem a.test\n" +
		"/for-c.test.pem [ssl-min-ver TLSv1.3 verify optional] *.c.test\n" +
		"/a.pem [ca-file /ca.pem verify required] shared.test\n" +
		"/b.pem [ca-file /ca.pem verify required] shared.test\n"
	// The order of wildcards and names is that of the text.
	if d := cmp.Diff(lines(want), lines(string(certList(out)))); d != "" {
		t.Errorf("list of certificates (-want +got):\n%s", d)
	}
	config := string(out.Config())
	for _, line := range []string{
		"ssl crt-list /dir/certificates.list crt /one.pem crt /two alpn",
		"return status 421 if { var(txn.host) -m str shared.test }", "return status 421 if { var(txn.host) -m end .c.test }",
	} {
		if !strings.Contains(config, line) {
			t.Errorf("%q is missing in\n%s", line, config)
		}
	}
	if strings.Contains(config, "-m str a.test } !") {
		t.Error("a host without verification is guarded")
	}
	if len(found) != 1 || !strings.Contains(found[0].String(), "accept-proxy") {
		t.Errorf("problems %v", found)
	}
	opt.GroupHTTPS = false
	if out, _ := Files(m, opt); certList(out) != nil || !strings.Contains(string(out.Config()), "crt /one.pem crt /two crt /a.pem crt /b.pem") {
		t.Error("without the flag, certificates of services are among the others")
	}
}

func certList(out *Output) []byte {
	for _, m := range out.Maps {
		if m.Name == CertList {
			return m.Data
		}
	}
	return nil
}

func lines(s string) map[string]bool {
	set := make(map[string]bool)
	for line := range strings.Lines(s) {
		set[line] = true
	}
	return set
}
