//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"berth/internal/porttest"
	"berth/orchestrator/api"
	"berth/orchestrator/client/clienttest"
)

// dnsApps are apps in all network modes, with groups, several tasks, and names that need care.
func dnsApps(n int) []*api.AppInfo {
	ids := []string{"/web", "/a/b/web", "/group/with.dots/db", "/Upper_Case", "/" + strings.Repeat("l", 63)}
	for i := range n {
		ids = append(ids, fmt.Sprintf("/g%d/app-%d", i%7, i))
	}
	r := rand.New(rand.NewPCG(1, 2))
	var out []*api.AppInfo
	for i, id := range ids {
		a := &api.AppInfo{App: api.App{ID: id, Networks: []api.Network{{Mode: api.NetworkHost}}}}
		a.PortDefinitions = []api.PortDefinition{{Protocol: "tcp", Name: "http"}, {Protocol: "udp,tcp", Name: "dns"}}
		if i%3 == 1 {
			a.Networks[0] = api.Network{Mode: api.NetworkContainer, Name: "net"}
			a.PortDefinitions = nil
			a.Container = &api.Container{PortMappings: []api.PortMapping{{ContainerPort: 5432, Protocol: "tcp", Name: "pg"}}}
		}
		for j := range 1 + r.IntN(5) {
			a.Tasks = append(a.Tasks, api.Task{
				ID: fmt.Sprintf("%s.%d", id, j), AppID: id, Host: fmt.Sprintf("10.0.%d.%d", i%250, j+1), SlaveID: fmt.Sprint("a-S", j),
				State: api.TaskRunning, Ports: []int{31000 + j, 32000 + j},
				IPAddresses: []api.Address{{IPAddress: fmt.Sprintf("9.%d.%d.%d", j, i/250, i%250+1)}, {IPAddress: fmt.Sprintf("fd01::%x:%x", i+1, j+1)}},
			})
		}
		out = append(out, a)
	}
	return out
}

func dnsd(t *testing.T, port int, state string, args ...string) *proc {
	t.Helper()
	return start(t, "dnsd", append([]string{
		"--listen", fmt.Sprintf("127.0.0.1:%d", port), "--http", "", "--state-dir", state, "--external=false", "--dcos=false", "--ptr=false",
		"--own-address", "127.0.0.1", "--soa-minimum", "30", "--masters", "10.9.9.9:8080", "--allow-query", "all",
	}, args...)...)
}

func dnsAsk(port int, network, name string, typ uint16) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(name, typ)
	m.SetEdns0(1232, false)
	in, _, err := (&dns.Client{Net: network, Timeout: 2 * time.Second}).Exchange(m, fmt.Sprintf("127.0.0.1:%d", port))
	return in, err
}

func dnsAwait(t *testing.T, port int, name string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if in, err := dnsAsk(port, "udp", name, dns.TypeA); err == nil && len(in.Answer) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("port %d does not answer %s", port, name)
		}
	}
}

// said is what counts in a reply, without order and serial. Which addresses come along is each server's own choice.
func said(m *dns.Msg) string {
	out := []string{dns.RcodeToString[m.Rcode], fmt.Sprint("aa ", m.Authoritative)}
	for section, list := range map[string][]dns.RR{"answer": m.Answer, "authority": m.Ns} {
		for _, rr := range list {
			if soa, ok := rr.(*dns.SOA); ok {
				soa.Serial = 0
			}
			out = append(out, section+" "+strings.ToLower(strings.Join(strings.Fields(rr.String()), " ")))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// Knot serves what `dnsd zone` prints; dnsd serves the apps. They have to say the same, whatever is asked.
func TestDNSSaysWhatKnotSays(t *testing.T) {
	knot := knotd(t)
	apps := dnsApps(40)
	src := clienttest.NewServer(t)
	src.SetApps(apps...)
	ours, theirs := porttest.Free(t), porttest.Free(t)
	dnsd(t, ours, t.TempDir(), "--marathon", src.URL())
	file := zoneFile(t, apps)
	startKnot(t, knot, theirs, file)
	dnsAwait(t, ours, "web.marathon.mesos.")
	dnsAwait(t, theirs, "web.marathon.mesos.")

	asked := 0
	for _, q := range dnsQuestions(t, file) {
		for _, network := range []string{"udp", "tcp"} {
			a, err := dnsAsk(ours, network, q.Name, q.Qtype)
			if err != nil {
				t.Fatalf("dnsd: %s: %v", q.String(), err)
			}
			b, err := dnsAsk(theirs, network, q.Name, q.Qtype)
			if err != nil {
				t.Fatalf("knot: %s: %v", q.String(), err)
			}
			asked++
			if a.Truncated || b.Truncated {
				continue // by TCP, they are whole
			}
			if x, y := said(a), said(b); x != y {
				t.Fatalf("%s by %s\ndnsd:\n%s\n\nknot:\n%s", q.String(), network, x, y)
			}
		}
	}
	t.Logf("%d answers compared", asked)
}

func knotd(t *testing.T) string {
	t.Helper()
	for _, path := range []string{"/usr/sbin/knotd", "/usr/local/sbin/knotd"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	missing(t, "knotd is not installed (Debian: knot)")
	return ""
}

func zoneFile(t *testing.T, apps []*api.AppInfo) string {
	t.Helper()
	doc, err := json.Marshal(map[string]any{"apps": apps})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin+"/dnsd", "zone", "--apps", "-", "--dcos=false", "--ptr=false", "--soa-minimum", "30", "--masters", "10.9.9.9:8080")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(doc), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "mesos.zone")
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func startKnot(t *testing.T, program string, port int, zone string) {
	t.Helper()
	knotWith(t, program, port, fmt.Sprintf("zone:\n  - domain: mesos.\n    file: %q\n    zonefile-sync: -1\n    zonefile-load: whole\n"+
		"    journal-content: none\n", zone))
}

// knotWith runs knot with sections about zones.
func knotWith(t *testing.T, program string, port int, zones string) {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "knot.conf")
	text := fmt.Sprintf("server:\n    rundir: %[1]q\n    listen: 127.0.0.1@%[2]d\ndatabase:\n    storage: %[1]q\n%[3]s", dir, port, zones)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-c", conf)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
}

// dnsQuestions asks for every name of a zone, its ancestors, and names that are not there, for several types.
func dnsQuestions(t *testing.T, file string) []dns.Question {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	names := map[string]bool{}
	p := dns.NewZoneParser(f, "", file)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		name := rr.Header().Name
		names[name] = true
		names["no."+name] = true
		if i, end := dns.NextLabel(name, 0); !end {
			names[name[i:]] = true
			names["no-such."+name[i:]] = true
		}
	}
	if p.Err() != nil {
		t.Fatal(p.Err())
	}
	r := rand.New(rand.NewPCG(3, 4))
	var out []dns.Question
	for name := range names {
		if !dns.IsSubDomain("mesos.", name) || len(name) > 250 {
			continue
		}
		types := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV, []uint16{dns.TypeTXT, dns.TypeMX, dns.TypeSOA, dns.TypeNS, dns.TypePTR}[r.IntN(5)]}
		for _, typ := range types {
			if r.IntN(4) == 0 {
				name = strings.ToUpper(name)
			}
			out = append(out, dns.Question{Name: name, Qtype: typ, Qclass: dns.ClassINET})
		}
	}
	return out
}

// Knot as a secondary: it takes the zone by transfer and, as it is told of changes, has them at once; its own refresh would take
// a minute.
func TestDNSHasASecondary(t *testing.T) {
	knot := knotd(t)
	src := clienttest.NewServer(t)
	src.SetApps(dnsApps(30)...)
	ours, theirs := porttest.Free(t), porttest.Free(t)
	knotWith(t, knot, theirs, fmt.Sprintf("remote:\n  - id: dnsd\n    address: 127.0.0.1@%d\nacl:\n  - id: notices\n    address: 127.0.0.1\n"+
		"    action: notify\nzone:\n  - domain: mesos.\n    master: dnsd\n    acl: notices\n    zonefile-sync: -1\n    zonefile-load: none\n"+
		"    journal-content: none\n", ours))
	dnsd(t, ours, t.TempDir(), "--marathon", src.URL(), "--notify", fmt.Sprintf("127.0.0.1:%d", theirs))
	dnsAwait(t, theirs, "web.marathon.mesos.")
	late := dnsApps(0)[0]
	for i := range 2 {
		a := *late
		a.ID = fmt.Sprint("/late-", i)
		src.SetApp(&a)
		dnsAwait(t, theirs, fmt.Sprintf("late-%d.marathon.mesos.", i))
	}
	src.RemoveApp("/late-0")
	retry(t, "the secondary has lost a name", func() (string, bool) {
		in, err := dnsAsk(theirs, "udp", "late-0.marathon.mesos.", dns.TypeA)
		return fmt.Sprint(in, err), err == nil && in.Rcode == dns.RcodeNameError
	})
}

// After kill -9 and with its source away, dnsd answers what it knew.
func TestDNSAnswersAfterACrashWithoutItsSource(t *testing.T) {
	src := clienttest.NewServer(t)
	src.SetApps(dnsApps(10)...)
	port, state := porttest.Free(t), t.TempDir()
	p := dnsd(t, port, state, "--marathon", src.URL())
	dnsAwait(t, port, "web.marathon.mesos.")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(state, "apps.json")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing is kept")
		}
	}
	p.kill9()
	src.Fail(503)
	began := time.Now()
	dnsd(t, port, state, "--marathon", src.URL(), "--stale-after", "1s")
	dnsAwait(t, port, "web.marathon.mesos.")
	t.Logf("answers again after %s", time.Since(began).Round(time.Millisecond))
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		in, err := dnsAsk(port, "udp", "web.marathon.mesos.", dns.TypeA)
		if err == nil && strings.Contains(in.String(), "Stale Answer") && len(in.Answer) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not marked stale: %v", in)
		}
	}
}

// With --user, dnsd is root only until its ports are bound; what it kept as root is still its own.
func TestDNSDropsPrivileges(t *testing.T) {
	if os.Geteuid() != 0 {
		missing(t, "only root has privileges to drop")
	}
	state, err := os.MkdirTemp("", "berth-dns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(state) })
	src := clienttest.NewServer(t)
	src.SetApps(dnsApps(3)...)
	port := porttest.Free(t)
	p := dnsd(t, port, state, "--marathon", src.URL())
	dnsAwait(t, port, "web.marathon.mesos.")
	retry(t, "the apps are kept", func() (string, bool) {
		_, err := os.Stat(filepath.Join(state, "apps.json"))
		return fmt.Sprint(err), err == nil
	})
	p.kill9()
	src.Fail(503)
	p = dnsd(t, port, state, "--marathon", src.URL(), "--user", "nobody")
	dnsAwait(t, port, "web.marathon.mesos.")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		f := strings.Fields(line)
		if len(f) > 4 && (f[0] == "Uid:" || f[0] == "Gid:") && slices.Contains(f[1:], "0") {
			t.Errorf("still root: %s", line)
		}
		if len(f) == 2 && f[0] == "CapEff:" && strings.Trim(f[1], "0") != "" {
			t.Errorf("still has capabilities: %s", line)
		}
	}
	src.Fail(0)
	late := dnsApps(0)[0]
	late.ID = "/late"
	src.SetApp(late)
	dnsAwait(t, port, "late.marathon.mesos.")
	retry(t, "what it keeps now is its own", func() (string, bool) {
		text, err := os.ReadFile(filepath.Join(state, "apps.json"))
		return fmt.Sprint(err, len(text)), err == nil && strings.Contains(string(text), "/late")
	})
}

// A disk that is full keeps dnsd from remembering, and from nothing else.
func TestDNSWithAFullDisk(t *testing.T) {
	need(t, "unshare")
	if os.Geteuid() != 0 {
		missing(t, "only root can mount a small disk")
	}
	src := clienttest.NewServer(t)
	src.SetApps(dnsApps(300)...)
	port, state := porttest.Free(t), t.TempDir()
	// A file system of 32 kB, which only this process sees and which ends with it.
	small := []string{"unshare", "-m", "sh", "-c", `mount -t tmpfs -o size=32k none "$0" && exec "$@"`, state, bin + "/"}
	p := startCommand(t, "dnsd", small, "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--http", "", "--state-dir", state, "--external=false",
		"--marathon", src.URL())
	dnsAwait(t, port, "web.marathon.mesos.")
	retry(t, "the disk is full", func() (string, bool) { log := p.log.String(); return log, strings.Contains(log, "no space left") })
	for i := range 3 {
		late := dnsApps(0)[0]
		late.ID = fmt.Sprint("/late-", i)
		src.SetApp(late)
		dnsAwait(t, port, fmt.Sprintf("late-%d.marathon.mesos.", i))
	}
	p.kill9()
	src.Fail(503)
	startCommand(t, "dnsd", small, "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--http", "", "--state-dir", state, "--external=false",
		"--marathon", src.URL())
	retry(t, "it says that it knows nothing", func() (string, bool) {
		in, err := dnsAsk(port, "udp", "web.marathon.mesos.", dns.TypeA)
		return fmt.Sprint(in, err), err == nil && in.Rcode == dns.RcodeServerFailure
	})
	src.Fail(0)
	dnsAwait(t, port, "web.marathon.mesos.")
}

// Files of the last run that are damaged are of no use, and of no harm.
func TestDNSWithADamagedState(t *testing.T) {
	for i, text := range []string{"", "{", "\x00\xff", `{"format":1,"apps":[{"id":7}]}`, strings.Repeat("[", 100_000)} {
		src := clienttest.NewServer(t)
		src.SetApps(dnsApps(3)...)
		src.Fail(503)
		port, state := porttest.Free(t), t.TempDir()
		for _, name := range []string{"apps.json", "infra.json", "vips.json"} {
			if err := os.WriteFile(filepath.Join(state, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p := dnsd(t, port, state, "--marathon", src.URL(), "--dcos", "--vip", "http://127.0.0.1:1")
		retry(t, fmt.Sprint("damage ", i, ": it says that it knows nothing"), func() (string, bool) {
			in, err := dnsAsk(port, "udp", "web.marathon.mesos.", dns.TypeA)
			return fmt.Sprint(in, err), err == nil && in.Rcode == dns.RcodeServerFailure
		})
		src.Fail(0)
		dnsAwait(t, port, "web.marathon.mesos.")
		p.term()
		info, err := os.Stat(filepath.Join(state, "apps.json"))
		if err != nil || info.Size() < 1000 {
			t.Errorf("damage %d: not replaced: %v, %v", i, info, err)
		}
	}
}

// The blog's third step, as it is typed.
func TestDNSWithDig(t *testing.T) {
	need(t, "dig")
	src := clienttest.NewServer(t)
	src.SetApps(dnsApps(1)...)
	port := porttest.Free(t)
	dnsd(t, port, t.TempDir(), "--marathon", src.URL())
	dnsAwait(t, port, "web.marathon.mesos.")
	for _, tt := range []struct{ args, want string }{
		{"web.marathon.mesos +short", "10.0.0.1"},
		{"web.marathon.mesos +short +tcp", "10.0.0.1"},
		{"_http._web._tcp.marathon.mesos SRV +short", "0 1 31000 web-"},
		{"master.mesos AAAA", "status: NOERROR"},
		{"no.marathon.mesos", "status: NXDOMAIN"},
		{"mesos SOA +short", "ns1.mesos. root.ns1.mesos."},
		{"mesos AXFR", "web.marathon.mesos."},
		{"WeB.mArAtHoN.MeSoS", "WeB.mArAtHoN.MeSoS."},
		{"web.marathon.mesos TXT", "ANSWER: 0, AUTHORITY: 1"},
		{"web.marathon.mesos ANY", "10.0.0.1"},
		{"web.marathon.mesos +noedns", "10.0.0.1"},
		{"web.marathon.mesos +edns=1 +noednsneg", "status: BADVERS"},
		{"web.marathon.mesos +cookie=0123456789abcdef", "(good)"},
		{"web.marathon.mesos +opcode=UPDATE", "status: NOTIMP"},
		{"-c CH version.bind TXT", "status: REFUSED"},
		{"example.com", "status: REFUSED"},
		{"marathon.mesos MX", "status: NOERROR"},
	} {
		args := append([]string{"@127.0.0.1", "-p", itoa(port), "+time=2"}, strings.Fields(tt.args)...)
		out, err := exec.Command("dig", args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("dig %s: %v\n%s", tt.args, err, out)
		}
	}
}
