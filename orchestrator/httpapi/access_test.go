package httpapi

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/orchestrator/api"
)

// basic is the header of basic authentication.
func basic(user, password string) []string {
	r := httptest.NewRequest("GET", "/", nil)
	r.SetBasicAuth(user, password)
	return []string{"Authorization", r.Header.Get("Authorization")}
}

func TestRoles(t *testing.T) {
	s := newServer(t, newFake(), Options{Credentials: []Credential{
		{Name: "ann", Password: "a"}, {Name: "bob", Password: "b", Role: RoleRead}, {Name: "ci", Token: "t", Role: RoleRead},
	}})
	reader, token, writer := basic("bob", "b"), []string{"Authorization", "Bearer t"}, basic("ann", "a")
	for _, tc := range []struct {
		rule, method, target, body string
		send                       []string
		status                     int
	}{
		{"a reader reads", "GET", "/v2/apps", "", reader, 200},
		{"and asks what may be done", "OPTIONS", "/v2/apps", "", reader, 204},
		{"and acknowledges", "POST", "/v1/acks", `{"subscriber":"x","index":1}`, reader, 204},
		{"and plans", "POST", "/v1/plan", `[{"id":"/planned","cmd":"true"}]`, reader, 200},
		{"which changes nothing", "GET", "/v2/apps/planned", "", reader, 404},
		{"even if told to", "POST", "/v1/plan?dryRun=false&force=true", `[{"id":"/planned","cmd":"true"}]`, reader, 200},
		{"it still changes nothing", "GET", "/v2/apps/planned", "", reader, 404},
		{"but creates nothing", "POST", "/v2/apps", `{"id":"/x","cmd":"true"}`, reader, 403},
		{"nor by a token", "POST", "/v2/apps", `{"id":"/x","cmd":"true"}`, token, 403},
		{"nor on trial", "PUT", "/v2/apps/x?dryRun=true", `{"cmd":"true"}`, reader, 403},
		{"nor kills", "DELETE", "/v2/apps/x/tasks", "", reader, 403},
		{"nor learns what is there", "DELETE", "/v2/apps/nothere", "", reader, 403},
		{"a writer writes", "POST", "/v2/apps", `{"id":"/x","cmd":"true"}`, writer, 201},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			if w := do(s, tc.method, tc.target, tc.body, tc.send...); w.Code != tc.status {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

// TestReadersChangeNothing goes through the whole API: every method that is not for looking needs the role write.
func TestReadersChangeNothing(t *testing.T) {
	s := newServer(t, newFake(), Options{Credentials: []Credential{{Name: "bob", Password: "b", Role: RoleRead}}})
	for route, methods := range endpoints {
		for method := range methods {
			if !writes(method) || route == routeAcks || route == routePlan {
				continue
			}
			path := strings.NewReplacer("{id}", "x", "{group}", "g", "{version}", "v", "{task}", "t.1").Replace(string(route))
			if w := do(s, method, path, "{}", basic("bob", "b")...); w.Code != http.StatusForbidden {
				t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
		}
	}
}

func TestCredentialsAreReplaced(t *testing.T) {
	s := newServer(t, newFake(), Options{Credentials: []Credential{{Name: "ann", Password: "a"}}})
	if err := s.SetCredentials([]Credential{{Name: "bob", Password: "b"}}); err != nil {
		t.Fatal(err)
	}
	if old, now := do(s, "GET", "/v2/apps", "", basic("ann", "a")...), do(s, "GET", "/v2/apps", "", basic("bob", "b")...); old.Code !=
		401 || now.Code != 200 {
		t.Errorf("%d, %d", old.Code, now.Code)
	}
	if err := s.SetCredentials(nil); err == nil {
		t.Error("the API was opened to everybody")
	}
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func TestGuessingIsSlow(t *testing.T) {
	c := newClock()
	s := newServer(t, newFake(), Options{Credentials: []Credential{{Name: "ann", Password: "a"}}, Now: c.now})
	wrong := 0
	for range 1000 {
		switch w := do(s, "GET", "/v2/apps", "", basic("ann", "x")...); w.Code {
		case http.StatusUnauthorized:
			wrong++
		case http.StatusTooManyRequests:
			if w.Header().Get("Retry-After") == "" {
				t.Fatal("no Retry-After")
			}
		default:
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if wrong != 50 {
		t.Errorf("%d guesses were looked at, expected 50", wrong)
	}
	if w := do(s, "GET", "/v2/apps", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("without credentials: %d; it is no guess", w.Code)
	}
	if w := do(s, "GET", "/ping", ""); w.Code != http.StatusOK {
		t.Errorf("ping: %d", w.Code)
	}
	r := httptest.NewRequest("GET", "/v2/apps", nil)
	r.RemoteAddr = "192.0.2.77:1"
	r.SetBasicAuth("ann", "a")
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Errorf("from another address: %d", w.Code)
	}
	c.pass(time.Second)
	if w := do(s, "GET", "/v2/apps", "", basic("ann", "a")...); w.Code != http.StatusOK {
		t.Errorf("a second later: %d", w.Code)
	}
}

func TestBucketsAreBounded(t *testing.T) {
	b, now := newBuckets(1, 2), newClock().now()
	for i := range 3 * maxBuckets {
		b.take(fmt.Sprint(i), now.Add(time.Duration(i)*time.Millisecond))
		if len(b.m) > maxBuckets {
			t.Fatalf("%d names", len(b.m))
		}
	}
	for i, want := range []struct {
		refused int
		ok      bool
	}{{0, true}, {0, true}, {0, false}, {0, false}} {
		if refused, ok := b.take("a", now); refused != want.refused || ok != want.ok {
			t.Errorf("take %d: %d, %t", i, refused, ok)
		}
	}
	if refused, ok := b.take("a", now.Add(time.Second)); refused != 2 || !ok {
		t.Errorf("a second later: %d, %t", refused, ok)
	}
}

func TestNetworksOfAddresses(t *testing.T) {
	for ip, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "odd": "odd",
	} {
		if got := network(ip); got != want {
			t.Errorf("%s: %s", ip, got)
		}
	}
}

// slow is a backend whose list of apps comes when it is told to.
type slow struct {
	*fake
	asked   chan struct{}
	release chan struct{}
}

func (b *slow) Apps() []*api.AppInfo {
	b.asked <- struct{}{}
	<-b.release
	return b.fake.Apps()
}

func TestRequestsUnderWayAreBounded(t *testing.T) {
	b := &slow{newFake(), make(chan struct{}), make(chan struct{})}
	s := newServer(t, b, Options{MaxRequests: 2})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if w := do(s, "GET", "/v2/apps", ""); w.Code != http.StatusOK {
				t.Errorf("let in: %d", w.Code)
			}
		})
		<-b.asked
	}
	if w := do(s, "GET", "/v2/info", ""); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
		t.Errorf("one too many: %d %s", w.Code, w.Body)
	}
	if w := do(s, "GET", "/ping", ""); w.Code != http.StatusOK {
		t.Errorf("ping: %d", w.Code)
	}
	close(b.release)
	wg.Wait()
	if w := do(s, "GET", "/v2/info", ""); w.Code != http.StatusOK {
		t.Errorf("afterwards: %d", w.Code)
	}
}

// recordsOf makes a server that collects its audit records.
func recordsOf(t *testing.T, opt Options) (*Server, func() []AuditRecord) {
	t.Helper()
	var mu sync.Mutex
	var list []AuditRecord
	opt.Audit = func(r AuditRecord) {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, r)
	}
	return newServer(t, newFake(), opt), func() []AuditRecord {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(list)
	}
}

func TestAuditRecords(t *testing.T) {
	c := newClock()
	s, records := recordsOf(t, Options{Now: c.now, Credentials: []Credential{
		{Name: "ann", Password: "a"}, {Name: "bob", Password: "b", Role: RoleRead},
	}})
	do(s, "GET", "/v2/apps", "", basic("ann", "a")...)
	do(s, "POST", "/v1/acks", `{"subscriber":"x","index":1}`, basic("bob", "b")...)
	created := do(s, "POST", "/v2/apps?force=true", `{"id":"/x","cmd":"true"}`, append(basic("ann", "a"), "User-Agent", "curl")...)
	do(s, "POST", "/v2/apps", `{"id":"/x"`, basic("ann", "a")...)
	do(s, "DELETE", "/v2/apps/x", "", basic("bob", "b")...)
	do(s, "GET", "/v2/apps", "", basic("eve", "e")...)
	want := []AuditRecord{
		{User: "ann", Role: "write", Method: "POST", URI: "/v2/apps?force=true", Route: "/v2/apps", Agent: "curl", Status: 201,
			Deployment: created.Header().Get("Marathon-Deployment-Id")},
		{User: "ann", Role: "write", Method: "POST", URI: "/v2/apps", Route: "/v2/apps", Status: 400, Message: "Invalid JSON"},
		{User: "bob", Role: "read", Method: "DELETE", URI: "/v2/apps/x", Route: "/v2/apps/{id}", Status: 403,
			Message: `"bob" may only read; this needs the role write`},
		{Method: "GET", URI: "/v2/apps", Route: "/v2/apps", Status: 401, Message: "credentials are missing or wrong"},
	}
	got := records()
	if len(got) != len(want) {
		t.Fatalf("%d records: %+v", len(got), got)
	}
	for i, w := range want {
		w.Time, w.Remote = c.now(), "192.0.2.1:1234"
		if got[i] != w {
			t.Errorf("record %d:\n got %+v\nwant %+v", i, got[i], w)
		}
	}
	if want[0].Deployment == "" {
		t.Error("the create had no deployment")
	}
}

// TestStrangersCannotFloodTheAuditLog: who is not let in leaves few records, which say how many are missing.
func TestStrangersCannotFloodTheAuditLog(t *testing.T) {
	c := newClock()
	s, records := recordsOf(t, Options{Now: c.now, Credentials: []Credential{{Name: "ann", Password: "a"}}})
	for range 1000 {
		do(s, "DELETE", "/v2/apps/x", "")
	}
	if n := len(records()); n != 50 {
		t.Errorf("%d records, expected 50", n)
	}
	do(s, "DELETE", "/v2/apps/x", "", basic("ann", "a")...)
	c.pass(time.Second)
	do(s, "DELETE", "/v2/apps/x?"+strings.Repeat("y", 10000), "")
	all := records()
	if last := all[len(all)-1]; last.Suppressed != 950 || len(last.URI) > maxAuditText+3 {
		t.Errorf("the next record: %d suppressed, URI of %d bytes", last.Suppressed, len(last.URI))
	}
	if known := all[len(all)-2]; known.User != "ann" {
		t.Errorf("a known user's record is missing: %+v", known)
	}
}

func TestLogsBeingReadAreBounded(t *testing.T) {
	s := newServer(t, newFake(), Options{MaxFollowed: 1})
	s.followed <- struct{}{}
	if w := do(s, "GET", "/v2/tasks/x.1/logs", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", w.Code)
	}
	<-s.followed
	if w := do(s, "GET", "/v2/tasks/x.1/logs", ""); w.Code == http.StatusServiceUnavailable {
		t.Errorf("afterwards: %d", w.Code)
	}
}

func TestBackup(t *testing.T) {
	s, records := recordsOf(t, Options{Credentials: []Credential{
		{Name: "ann", Password: "a"}, {Name: "bob", Password: "b", Role: RoleRead},
	}})
	if w := do(s, "GET", "/v1/backup", "", basic("bob", "b")...); w.Code != http.StatusForbidden {
		t.Errorf("a reader: %d", w.Code)
	}
	w := do(s, "GET", "/v1/backup", "", basic("ann", "a")...)
	if w.Code != http.StatusOK || w.Body.String() != "the state" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for name, want := range map[string]string{
		"Content-Length": "9", "Content-Type": "application/octet-stream", api.IndexHeader: "0",
		api.ChecksumHeader: "sha256=" + fmt.Sprintf("%x", sha256.Sum256([]byte("the state"))),
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if w := do(s, "HEAD", "/v1/backup", "", basic("ann", "a")...); w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d, %d bytes", w.Code, w.Body.Len())
	}
	s.backups <- struct{}{}
	if w := do(s, "GET", "/v1/backup", "", basic("ann", "a")...); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a second at the same time: %d", w.Code)
	}
	all := records()
	if len(all) != 4 || all[1].Detail != "revision 0, 9 bytes" || all[0].Status != http.StatusForbidden {
		t.Errorf("records: %+v", all)
	}
}
