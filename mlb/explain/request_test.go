package explain

import (
	"strconv"
	"testing"
)

func TestParseRequest(t *testing.T) {
	cases := []struct {
		rule, url string
		headers   []string
		want      string // scheme host port path query
	}{
		{"the scheme's own port", "http://A.test/x", nil, "http a.test 80 /x "},
		{"https", "https://a.test", nil, "https a.test 443 / "},
		{"a port in the URL", "http://a.test:8080/x?y=1", nil, "http a.test 8080 /x ?y=1"},
		{"a final dot", "http://A.test.:81/", nil, "http a.test 81 / "},
		{"no scheme", "a.test/x", nil, "http a.test 80 /x "},
		{"a Host header wins", "http://127.0.0.1:80/", []string{"Host: B.test:99"}, "http b.test 80 / "},
		{"a header with an equals sign", "http://127.0.0.1/", []string{"host=b.test"}, "http b.test 80 / "},
		{"percent signs stay", "http://a/%2Fb%20c", nil, "http a 80 /%2Fb%20c "},
		{"an IPv6 address", "http://[::1]:81/", nil, "http [::1] 81 / "},
	}
	for _, c := range cases {
		r, err := ParseRequest(c.url, c.headers, 80, 443)
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		if got := r.Scheme + " " + r.Host + " " + strconv.Itoa(r.Port) + " " + r.Path + " " + r.Query; got != c.want {
			t.Errorf("%s: %q, want %q", c.rule, got, c.want)
		}
	}
	for _, bad := range []string{"", "ftp://a/", "http://", "http://a:99999/", "http://a b/"} {
		if r, err := ParseRequest(bad, nil, 80, 443); err == nil {
			t.Errorf("%q is taken as %+v", bad, r)
		}
	}
	if _, err := ParseRequest("http://a/", []string{"nonsense"}, 80, 443); err == nil {
		t.Error("a header without a value is taken")
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add("http://a.test:80/x?y", "Host=b")
	f.Add("[::1", ":")
	f.Fuzz(func(t *testing.T, url, header string) {
		if r, err := ParseRequest(url, []string{header}, 80, 443); err == nil && (r.Port < 1 || r.Path == "") {
			t.Errorf("%+v", r)
		}
	})
}
