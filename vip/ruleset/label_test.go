package ruleset

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestValuesAreSplitAtTheLastColon(t *testing.T) {
	for value, want := range map[string]Target{
		"1.1.1.1:80":                         {Addr: netip.MustParseAddr("1.1.1.1"), Port: 80},
		"fd01:c::1:80":                       {Addr: netip.MustParseAddr("fd01:c::1"), Port: 80},
		"[fd01:c::1]:80":                     {Addr: netip.MustParseAddr("fd01:c::1"), Port: 80},
		"::ffff:1.1.1.1:80":                  {Addr: netip.MustParseAddr("1.1.1.1"), Port: 80},
		"/test4:80":                          {Name: "test4", Port: 80},
		"test4:65535":                        {Name: "test4", Port: 65535},
		"/group/sub/app:555":                 {Name: "groupsubapp", Port: 555},
		"/api.hello-world:80":                {Name: "api.hello-world", Port: 80},
		"/o.oo/i.ii/a.aa:80":                 {Name: "o.ooi.iia.aa", Port: 80},
		"/Web_App:80":                        {Name: "web-app", Port: 80},
		"1.1.1.256:80":                       {Name: "1.1.1.256", Port: 80},
		"/a..b.:80":                          {Name: "a.b", Port: 80},
		"/" + strings.Repeat("a", 70) + ":1": {Name: strings.Repeat("a", 63), Port: 1},
	} {
		got, err := ParseTarget(value)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", value, got, err, want)
		}
	}
}

func TestBadValuesAreRefusedWithWhatWasExpected(t *testing.T) {
	for value, want := range map[string]string{
		"1.1.1.1": "expected a", "": "expected address:port", "/x:": "from 1 to 65535", "/x:0": "from 1 to 65535",
		"/x:-1": "from 1 to 65535", "/x:http": "from 1 to 65535", "/x:70000": "from 1 to 65535", ":80": "expected a name",
		"/:80": "expected a name", "/日本:80": "expected a name", "fe80::1%eth0:80": "without a zone",
		strings.Repeat("a.", 100) + ":80": "at most 180 bytes", strings.Repeat("a", 2000) + ":80": "at most 1024 bytes",
	} {
		if got, err := ParseTarget(value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %+v, %v; want an error with %q", value, got, err, want)
		}
	}
}

func TestOnlyNumberedKeysCount(t *testing.T) {
	for key, want := range map[string]keyKind{
		"VIP_0": keyVIP, "vip_12": keyVIP, "VIP_0_WEIGHT": keyWeight, "VIPER": keyStrange, "VIP_x": keyStrange, "vip": keyStrange,
		"VIP_": keyStrange, "Vip_0": keyOther, "HAPROXY_0_VHOST": keyOther, "": keyOther,
	} {
		if got, _ := classify(key); got != want {
			t.Errorf("%s: %d, want %d", key, got, want)
		}
	}
}

func TestProtocols(t *testing.T) {
	for in, want := range map[string][]Proto{"": {TCP}, "tcp": {TCP}, "UDP": {UDP}, "udp,tcp": {UDP, TCP}, "tcp,tcp": {TCP},
		"sctp": nil, "tcp,sctp": {TCP}} {
		got, err := ParseProtocols(in)
		if d := cmp.Diff(want, got); d != "" || (err != nil) != strings.Contains(in, "sctp") {
			t.Errorf("%q: %v %s", in, err, d)
		}
	}
}

// The addresses of names are DC/OS's for IPv6.
func TestNamesGetTheAddressTheirHashSays(t *testing.T) {
	for name, want := range map[string]string{
		"qux.ipv6": "fd01:c::6d6d:9c64:fd19:f251", "foo.bar": "fd01:c::6d7:a93:e041:647f",
		"test4.marathon": "fd01:c::b93b:babb:2fe0:f121",
	} {
		label, framework, _ := strings.Cut(name, ".")
		got, ok := newPool(DefaultRange6).assign(label, framework, func(netip.Addr) bool { return false })
		if !ok || got.String() != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestCollidingNamesTakeTheNextFreeAddress(t *testing.T) {
	p := newPool(netip.MustParsePrefix("10.0.0.0/28"))
	seen := map[netip.Addr]string{}
	none := func(netip.Addr) bool { return false }
	for i := range 15 { // .0 looks like the network's own
		name := strings.Repeat("x", i+1)
		a, ok := p.assign(name, "marathon", none)
		if !ok || seen[a] != "" || edge(a) || !p.prefix.Contains(a) {
			t.Fatalf("%s: %s, %v, taken by %q", name, a, ok, seen[a])
		}
		seen[a] = name
		if again, _ := p.assign(name, "marathon", none); again != a {
			t.Fatalf("%s: first %s, then %s", name, a, again)
		}
	}
	if a, ok := p.assign("one more", "marathon", none); ok {
		t.Fatalf("a full range gave %s", a)
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"1.1.1.1:80", "/web:80", "[fd01::1]:80", ":", "/..:1", "a%b:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTarget(s)
		if err != nil {
			return
		}
		if got.Port == 0 || got.Addr.IsValid() == (got.Name != "") {
			t.Fatalf("%+v", got)
		}
		if got.Name == "" {
			return
		}
		if Fragment(got.Name) != got.Name {
			t.Fatalf("name %q is no fragment", got.Name)
		}
		for _, l := range strings.Split(got.Name, ".") {
			if l == "" || len(l) > 63 || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
				t.Fatalf("label %q of %q", l, got.Name)
			}
		}
	})
}
