package mlbd

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"berth/internal/porttest"
	"berth/mlb/haproxy"
)

func TestAppAnswersByPortHostAndAppID(t *testing.T) {
	l := newLab(t)
	port := porttest.Free(t)
	l.cluster.SetApp(app("/web", port, map[string]string{"HAPROXY_0_VHOST": "web.test"}, l.task("one")))
	l.up()
	l.answers(port, "", "one")
	l.answers(l.c.HTTPPort, "web.test", "one")
	if code, _, _ := ask(l.c.HTTPPort, "/", "other.test"); code != 503 {
		t.Errorf("unknown host: %d, want 503", code)
	}
	rq, _ := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", l.c.AppIDPort), nil)
	rq.Header.Set("X-Marathon-App-Id", "/web")
	rq.Close = true
	r, err := http.DefaultClient.Do(rq)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, _ := io.ReadAll(r.Body); string(body) != "one" {
		t.Errorf("by app id: %q", body)
	}
}

func TestMoreTasksAndNewHostNeedNoReload(t *testing.T) {
	l := newLab(t)
	port := porttest.Free(t)
	one, two := l.task("one"), l.task("two")
	l.cluster.SetApp(app("/web", port, map[string]string{"HAPROXY_0_VHOST": "web.test"}, one))
	l.up()
	pids := l.admin("/_haproxy_getpids")
	l.cluster.SetApp(app("/web", port, map[string]string{"HAPROXY_0_VHOST": "web.test,new.test"}, one, two))
	l.answers(l.c.HTTPPort, "new.test", "two")
	l.answers(port, "", "two")
	if now := l.admin("/_haproxy_getpids"); now != pids {
		t.Errorf("processes %q, then %q: want no reload", pids, now)
	}
	s := l.settled()
	if s.LastChange == nil || s.LastChange.Rung != "runtime" || s.Servers != 2 {
		t.Errorf("state %+v: want a runtime change and 2 servers", s)
	}
	l.within(30*time.Second, "the files follow", func() bool {
		text, _ := os.ReadFile(l.c.HAProxyConfig)
		return strings.Count(string(text), "\n  server 127_0_0_1_") == 2 &&
			strings.Contains(l.admin("/_haproxy_getvhostmap"), "new.test web_"+strconv.Itoa(port))
	})
}

func TestAdminPagesThroughHAProxy(t *testing.T) {
	l := newLab(t)
	port := porttest.Free(t)
	l.cluster.SetApp(app("/web", port, map[string]string{"HAPROXY_0_VHOST": "web.test",
		"HAPROXY_0_AUTH": "realm:joe:$5$abcdefgh$8i4Uzx9wA5x0o4Y6ph8A8tnNNSuhZtFBP1zUQCTzIw1"}, l.task("one")))
	l.up()
	config := l.admin("/_haproxy_getconfig")
	if !strings.Contains(config, "frontend web_") || strings.Contains(config, "$5$") || !strings.Contains(config, "[redacted]") {
		t.Errorf("configuration:\n%s", config)
	}
	if got := l.admin("/_haproxy_getappmap"); !strings.HasPrefix(got, "/web web_") {
		t.Errorf("app map %q", got)
	}
	if pids := strings.Split(l.admin("/_haproxy_getpids"), " "); len(pids) != 2 {
		t.Errorf("pids %q, want two and no line break", pids)
	}
	l.admin("/_haproxy_health_check")
	if got := l.admin("/haproxy?stats;csv"); !strings.HasPrefix(got, "# pxname") {
		t.Errorf("statistics %.50q", got)
	}
	if got := l.admin("/metrics"); !strings.Contains(got, "haproxy_") {
		t.Errorf("exporter %.50q", got)
	}
	if got := l.admin("/_mlb_metrics"); !strings.Contains(got, "mlb_ready 1") {
		t.Errorf("mlb's metrics %.200q", got)
	}
	before := l.admin("/_haproxy_getpids")
	if got := l.admin("/_mlb_signal/usr1"); !strings.Contains(got, "SIGUSR1") {
		t.Errorf("signal: %q", got)
	}
	if l.admin("/_haproxy_getpids") == before {
		t.Error("no reload")
	}
	reads := l.cluster.Requests("GET /v2/apps")
	l.admin("/_mlb_signal/hup")
	l.within(30*time.Second, "everything is read anew", func() bool { return l.cluster.Requests("GET /v2/apps") > reads })
}

func TestOneBadAppHurtsOnlyItself(t *testing.T) {
	l := newLab(t)
	p := porttest.Several(t, 3)
	l.cluster.SetApps(
		app("/good", p[0], nil, l.task("good")),
		// Passes every check of labels, but HAProxy does not know the keyword's argument.
		app("/bad", p[1], map[string]string{"HAPROXY_0_MODE": "http",
			"HAPROXY_0_BACKEND_HTTP_OPTIONS": "  option nonsense"}, l.task("bad")),
	)
	l.up()
	l.answers(p[0], "", "good")
	l.reports(`"/bad"`, "nonsense")
	l.cluster.SetApp(app("/bad", p[1], nil, l.task("cured")))
	l.answers(p[1], "", "cured")
	// Bad again: it keeps its last good settings, and its tasks are followed.
	l.cluster.SetApp(app("/bad", p[1], map[string]string{"HAPROXY_0_MODE": "http",
		"HAPROXY_0_BACKEND_HTTP_OPTIONS": "  option nonsense"}, l.task("moved")))
	l.answers(p[1], "", "moved")
	l.reports("last good")
	if s := l.settled(); !s.Ready {
		t.Errorf("not ready: %s", s.NotReady)
	}
}

func TestServicePortInUseHurtsOnlyItsApp(t *testing.T) {
	l := newLab(t)
	port := porttest.Free(t)
	taken := l.task("somebody else")
	l.cluster.SetApps(app("/good", port, nil, l.task("good")),
		app("/unlucky", portOf(taken), map[string]string{"HAPROXY_0_VHOST": "unlucky.test"}, l.task("unlucky")))
	l.up()
	l.answers(port, "", "good")
	l.answers(l.c.HTTPPort, "unlucky.test", "unlucky") // by name it works
	l.answers(portOf(taken), "", "somebody else")
	l.reports(`"/unlucky"`, "in use")
}

func portOf(s *httptest.Server) int {
	_, port, _ := strings.Cut(s.Listener.Addr().String(), ":")
	n, _ := strconv.Atoi(port)
	return n
}

func TestBrokenTemplateLeavesWhatRuns(t *testing.T) {
	l := newLab(t)
	port := porttest.Free(t)
	l.cluster.SetApp(app("/web", port, map[string]string{"HAPROXY_0_MODE": "http"}, l.task("one")))
	l.up()
	pids := l.admin("/_haproxy_getpids")
	write := func(text string) {
		t.Helper()
		if err := os.MkdirAll(l.c.TemplateDir, 0o755); err != nil {
			t.Fatal(err)
		}
		next := filepath.Join(filepath.Dir(l.c.TemplateDir), "next")
		if err := os.WriteFile(next, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, filepath.Join(l.c.TemplateDir, "HAPROXY_BACKEND_HTTP_OPTIONS")); err != nil {
			t.Fatal(err)
		}
	}
	for _, broken := range []string{"  option nonsense\n", "  {{ .nosuch"} {
		write(broken)
		l.within(30*time.Second, "the template is reported", func() bool {
			return strings.Contains(l.admin("/_mlb_problems"), "BACKEND_HTTP_OPTIONS")
		})
		l.answers(port, "", "one")
		if now := l.admin("/_haproxy_getpids"); now != pids {
			t.Errorf("processes %q, then %q: want no reload", pids, now)
		}
	}
	write("  http-request set-header X-Template yes\n")
	l.within(30*time.Second, "the good template is used", func() bool {
		return strings.Contains(l.admin("/_haproxy_getconfig"), "X-Template yes") &&
			!strings.Contains(l.admin("/_mlb_problems"), "BACKEND_HTTP_OPTIONS")
	})
}

func TestKilledMlbIsReplacedWithoutTouchingHAProxy(t *testing.T) {
	l := newLab(t)
	port := porttest.Free(t)
	one := l.task("one")
	l.cluster.SetApp(app("/web", port, nil, one))
	l.c.LeaveHAProxy = true
	l.up()
	pids := l.admin("/_haproxy_getpids")
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	l.answers(port, "", "one")
	l.c.LeaveHAProxy = false
	l.up()
	if now := l.admin("/_haproxy_getpids"); now != pids {
		t.Errorf("processes %q, then %q: want them taken over", pids, now)
	}
	l.cluster.SetApp(app("/web", port, nil, one, l.task("two")))
	l.answers(port, "", "two")
}

func TestKilledHAProxyIsBackWithinASecond(t *testing.T) {
	l := newLab(t)
	port := porttest.Free(t)
	l.cluster.SetApp(app("/web", port, nil, l.task("one")))
	l.up()
	for i, pid := range strings.Split(l.admin("/_haproxy_getpids"), " ") { // master, then the worker of that time
		if i == 1 {
			pid = strings.Split(l.admin("/_haproxy_getpids"), " ")[1]
		}
		n, _ := strconv.Atoi(pid)
		if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		l.within(time.Second, "serving again", func() bool {
			code, _, _ := ask(port, "/", "")
			return code == 200 && l.log.String() != "" && strings.Count(l.log.String(), "was started again") > i
		})
		t.Logf("serving again after %s", time.Since(began))
	}
}

func TestDrainingTaskIsAcknowledgedWithItsSessions(t *testing.T) {
	l := newLab(t)
	port := porttest.Free(t)
	hold := make(chan struct{})
	var once sync.Once
	release := func() { once.Do(func() { close(hold) }) }
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			w.Header().Set("Connection", "close")
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			<-hold
		}
		io.WriteString(w, "slow")
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(release)
	l.cluster.SetApp(app("/web", port, nil, slow))
	l.up()
	r, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/hold", port))
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer r.Body.Close()
	a := app("/web", port, nil, slow)
	a.Tasks = append(a.Tasks[:0], taskOf("/web", 0, slow, "TASK_KILLING"))
	other := l.task("other")
	a.Tasks = append(a.Tasks, taskOf("/web", 1, other, "TASK_RUNNING"))
	l.cluster.SetApp(a)
	index := l.cluster.Index()
	last := func() (uint64, int) {
		acks := l.cluster.Acks()
		if len(acks) == 0 {
			return 0, -1
		}
		k := acks[len(acks)-1]
		return k.Index, k.Sessions["web.0"]
	}
	l.within(30*time.Second, "acknowledged with one session", func() bool {
		i, n := last()
		return i >= index && n == 1
	})
	for range 20 {
		if _, body, err := ask(port, "/", ""); err != nil || body != "other" {
			t.Fatalf("a new request went to the draining task: %q, %v", body, err)
		}
	}
	release()
	io.Copy(io.Discard, r.Body)
	l.within(30*time.Second, "acknowledged without sessions", func() bool {
		i, n := last()
		return i >= index && n == 0
	})
}

func TestScalingAndReloadsUnderLoadLoseNoRequest(t *testing.T) {
	l := newLab(t)
	p := porttest.Several(t, 9)
	servers := []*httptest.Server{l.task("0"), l.task("1"), l.task("2"), l.task("3")}
	web := func(n int) { l.cluster.SetApp(app("/web", p[0], nil, servers[:n]...)) }
	web(1)
	l.up()
	var sent, failed atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 3 {
		clients.Go(func() {
			tr := &http.Transport{MaxIdleConnsPerHost: 1}
			defer tr.CloseIdleConnections()
			c := http.Client{Transport: tr, Timeout: 5 * time.Second}
			for i := 0; ctx.Err() == nil && i < 20000; i++ {
				sent.Add(1)
				r, err := c.Get(fmt.Sprintf("http://127.0.0.1:%d/", p[0]))
				if err != nil {
					failed.Add(1)
					t.Log(err)
					continue
				}
				io.Copy(io.Discard, r.Body)
				r.Body.Close()
				if r.StatusCode != 200 {
					failed.Add(1)
					t.Log(r.StatusCode)
				}
			}
		})
	}
	for i := range 8 {
		web(1 + i%4)
		l.cluster.SetApp(app(fmt.Sprintf("/new%d", i), p[i+1], nil, servers[0])) // a reload each
		index := l.cluster.Index()
		l.within(30*time.Second, "applied", func() bool { return l.state().Index >= index })
	}
	stop()
	clients.Wait()
	s := l.settled()
	t.Logf("%d requests, %d failed; changes %v", sent.Load(), failed.Load(), s.Changes)
	if failed.Load() > 0 || sent.Load() < 100 || s.Changes["reload"] < 8 {
		t.Errorf("%d of %d requests failed over %v", failed.Load(), sent.Load(), s.Changes)
	}
}

func TestBusyPortNamesItsFlag(t *testing.T) {
	l := newLab(t)
	l.c.AppIDPort = portOf(l.task("x"))
	l.start()
	err := <-l.done
	l.stop = nil
	if err == nil || !strings.Contains(err.Error(), "--appid-port") {
		t.Errorf("got %v, want an error naming --appid-port", err)
	}
}

func TestWorkersGiveUpRootAndStillReachTheAdminPages(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED, needs root")
	}
	l := newLab(t)
	l.c.User = auto
	if l.c.haproxyUser() == "" {
		t.Skip("SKIPPED, there is no user haproxy")
	}
	if err := os.Chmod(filepath.Dir(l.c.HAProxyConfig), 0o755); err != nil {
		t.Fatal(err)
	}
	l.cluster.SetApp(app("/web", porttest.Free(t), nil, l.task("one")))
	l.up()
	worker := strings.Split(l.admin("/_haproxy_getpids"), " ")[1]
	status, err := os.ReadFile("/proc/" + worker + "/status")
	if err != nil || strings.Contains(string(status), "Uid:\t0\t") {
		t.Errorf("the worker runs as root (%v)", err)
	}
}

func TestOnceAppliesAndLeavesHAProxy(t *testing.T) {
	l := newLab(t)
	port := porttest.Free(t)
	l.cluster.SetApp(app("/web", port, nil, l.task("one")))
	l.c.Once = true
	l.start()
	if err := <-l.done; err != nil {
		t.Fatal(err)
	}
	l.stop = nil
	l.answers(port, "", "one")
}

func TestRenewedCertificateNeedsNoReload(t *testing.T) {
	l := newLab(t)
	l.cluster.SetApp(app("/web", porttest.Free(t), map[string]string{"HAPROXY_0_VHOST": "web.test"}, l.task("one")))
	l.up()
	pids := l.admin("/_haproxy_getpids")
	serial := func() string {
		c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", l.c.HTTPSPort), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return err.Error()
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	old := serial()
	file := filepath.Join(filepath.Dir(l.c.HAProxyConfig), "self-signed.pem")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := haproxy.SelfSigned(file, time.Now()); err != nil {
		t.Fatal(err)
	}
	l.within(30*time.Second, "the new certificate is shown", func() bool { return serial() != old })
	if now := l.admin("/_haproxy_getpids"); now != pids {
		t.Errorf("processes %q, then %q: want no reload", pids, now)
	}
}

func TestSecondMlbWithTheSameConfigurationIsRefused(t *testing.T) {
	l := newLab(t)
	l.cluster.SetApp(app("/web", porttest.Free(t), nil, l.task("one")))
	l.up()
	if err := Run(t.Context(), l.c, Options{}); err == nil || !strings.Contains(err.Error(), "another mlb") {
		t.Errorf("got %v, want an error about another mlb", err)
	}
	l.admin("/_mlb_state")
}
func TestStatisticsPortAsksForAPassword(t *testing.T) {
	l := newLab(t)
	port := porttest.Free(t)
	l.c.StatsAuth, l.c.TemplateLabels = "joe:secret", false
	l.cluster.SetApps(app("/web", port, nil, l.task("one")),
		app("/text", port+1, map[string]string{"HAPROXY_0_BACKEND_HEAD": "backend {backend}"}, l.task("two")))
	l.up()
	for path, want := range map[string]int{
		"/_haproxy_health_check": 200, "/haproxy?stats;csv": 401, "/metrics": 401, "/_haproxy_getconfig": 401,
		"/_mlb_problems": 401, "/_mlb_signal/hup": 401, "/_mlb_explain?url=http://x/": 401,
	} {
		if code, _, err := ask(l.c.StatsPort, path, ""); err != nil || code != want {
			t.Errorf("%s: %d, %v, want %d", path, code, err, want)
		}
	}
	in := func(path string) string {
		t.Helper()
		r, err := http.Get(fmt.Sprintf("http://joe:secret@127.0.0.1:%d%s", l.c.StatsPort, path))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != 200 {
			t.Errorf("%s with the password: %d, %v", path, r.StatusCode, err)
		}
		return string(text)
	}
	defer http.DefaultClient.CloseIdleConnections()
	if config := in("/_haproxy_getconfig"); strings.Contains(config, "secret") || !strings.Contains(config, "[redacted]") {
		t.Error("the configuration shows the password")
	}
	if got := in("/_mlb_problems"); !strings.Contains(got, "takes no templates in labels") {
		t.Errorf("problems: %s", got)
	}
	if strings.Contains(l.log.String(), "joe:secret") {
		t.Error("the log shows the password")
	}
	a, err := Ask(t.Context(), fmt.Sprintf("http://joe:secret@127.0.0.1:%d", l.c.StatsPort),
		Question{URL: fmt.Sprintf("http://x:%d/", port)})
	if err != nil || a.App != "/web" {
		t.Errorf("explained: %+v, %v", a, err)
	}
}
