package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/internal/porttest"
	"berth/orchestrator/api"
)

const examplesDir = "../../../examples/process"

func TestExamplesAreUsedAsTheyAreWhereTheirPortsAreFree(t *testing.T) {
	two, six := freeFrom(t, 23000), freeFrom(t, 24000)
	dir := withPorts(t, two, six)
	a, err := prepare(Config{Dir: dir, HostPort: two}, t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if want := (apps{dir, two, six, a.serviceMin}); a != want {
		t.Errorf("got %+v, want %+v", a, want)
	}
}

func TestATakenPortIsReplacedInACopyAndSaid(t *testing.T) {
	taken := porttest.Range(t, 10)
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", taken))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var out bytes.Buffer
	a, err := prepare(Config{Dir: withPorts(t, taken, freeFrom(t, 24000)), HostPort: taken}, t.TempDir(), &out)
	if err != nil {
		t.Fatal(err)
	}
	if a.hostPort == taken {
		t.Errorf("test2 keeps the taken port %d", taken)
	}
	if !strings.Contains(out.String(), "--host-port") {
		t.Errorf("said %q, want the flag named", &out)
	}
	got, err := fixedPortOf(a.dir, "test2.json")
	if err != nil || got != a.hostPort {
		t.Errorf("the copy asks for %d (%v), want %d", got, err, a.hostPort)
	}
	for _, name := range []string{"test1.json", "test3.json", "test4.json", "test5.json", "test6.json"} {
		if _, err := os.Stat(filepath.Join(a.dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestServicePortsStartWhereTheyAreFree(t *testing.T) {
	taken := porttest.Range(t, 10)
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", taken))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got, err := freeRange(taken, 3)
	if err != nil || got <= taken {
		t.Errorf("range from %d (%v), want one after %d", got, err, taken)
	}
	if args := (apps{serviceMin: got}).devArgs(); len(args) != 2 {
		t.Errorf("flags %q, want the range named", args)
	}
	if args := (apps{serviceMin: firstServicePort}).devArgs(); args != nil {
		t.Errorf("flags %q for the usual range", args)
	}
}

func TestMissingExamplesNameTheFlag(t *testing.T) {
	_, err := prepare(Config{Dir: t.TempDir(), HostPort: 2000}, t.TempDir(), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "--examples") {
		t.Errorf("error %v, want one that names --examples", err)
	}
}

// withPorts copies the examples with free ports in test2 and test6, so that the test does not depend on the machine.
func withPorts(t *testing.T, two, six int) string {
	t.Helper()
	a := apps{dir: filepath.Join(t.TempDir(), "examples"), hostPort: two, servicePort6: six}
	if err := a.copyFrom(examplesDir); err != nil {
		t.Fatal(err)
	}
	return a.dir
}

func freeFrom(t *testing.T, n int) int {
	t.Helper()
	p, err := freePort(n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The two flavours differ in how they run, not in what they show.
func TestExamplesAreValidAndTheFlavoursAgree(t *testing.T) {
	for _, name := range []string{"test1", "test2", "test3", "test4", "test5", "test6"} {
		process := parse(t, filepath.Join(examplesDir, name+".json"))
		docker := parse(t, filepath.Join("../../../examples/docker", name+".json"))
		if process.ID != "/"+name || docker.ID != "/"+name {
			t.Errorf("%s: ids %s and %s", name, process.ID, docker.ID)
		}
		if process.Instances != docker.Instances || len(process.Labels) != len(docker.Labels) {
			t.Errorf("%s: instances or labels of the flavours differ", name)
		}
		for k, v := range process.Labels {
			if docker.Labels[k] != v {
				t.Errorf("%s: label %s is %q and %q", name, k, v, docker.Labels[k])
			}
		}
		if docker.Mode() != api.NetworkBridge || docker.Image() != "berth/hello" {
			t.Errorf("%s: the docker flavour has mode %s and image %s", name, docker.Mode(), docker.Image())
		}
	}
}

func parse(t *testing.T, file string) *api.App {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	app, notes, err := api.ParseApp(data)
	if err != nil || len(notes.Unknown) > 0 || len(notes.Warnings) > 0 {
		t.Errorf("%s: error %v, notes %v", file, err, notes)
	}
	return app
}

func TestWithPortKeepsTheRest(t *testing.T) {
	data, err := withPort([]byte(`{"id":"x","portDefinitions":[{"port":1,"name":"http"},{"port":2}]}`), 9)
	if err != nil {
		t.Fatal(err)
	}
	var app api.App
	if err := json.Unmarshal(data, &app); err != nil {
		t.Fatal(err)
	}
	if d := app.PortDefinitions; app.ID != "x" || d[0].Port != 9 || d[0].Name != "http" || d[1].Port != 2 {
		t.Errorf("got %s", data)
	}
	for _, bad := range []string{`{}`, `{"portDefinitions":[]}`, `{"portDefinitions":[1]}`, `[`} {
		if _, err := withPort([]byte(bad), 9); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestShellShowsCommandAnswerAndExitCode(t *testing.T) {
	var out bytes.Buffer
	s := &shell{out: &out}
	if err := s.run(t.Context(), "echo here; echo there >&2; exit 7", refused); err != nil {
		t.Error(err)
	}
	want := "  $ echo here; echo there >&2; exit 7\n    here\n    there\n    (exit code 7)\n"
	if out.String() != want {
		t.Errorf("printed\n%swant\n%s", &out, want)
	}
}

func TestPollAsksUntilTheAnswerIsRight(t *testing.T) {
	var out bytes.Buffer
	s := &shell{out: &out}
	asked := 0
	err := s.poll(t.Context(), "echo hello", func(string) error {
		if asked++; asked < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || asked != 3 {
		t.Errorf("error %v after %d questions, want none after 3", err, asked)
	}
	if n := strings.Count(out.String(), "    hello\n"); n != 1 {
		t.Errorf("the answer is shown %d times, want once:\n%s", n, &out)
	}
}

func TestChecks(t *testing.T) {
	for _, c := range []struct {
		rule   string
		check  check
		answer string
		ok     bool
	}{
		{"contains wants every text", contains("a", "b"), "b a", true},
		{"contains misses one", contains("a", "b"), "a", false},
		{"contains wants success", contains("a"), "a\n(exit code 1)\n", false},
		{"refused wants curl's code 7", refused, "(exit code 7)\n", true},
		{"refused does not take an answer", refused, "hello\n", false},
		{"refused does not take another failure", refused, "(exit code 6)\n", false},
		{"distinct counts words", distinct(2, []string{"x", "y"}), "x y x", true},
		{"distinct wants enough of them", distinct(2, []string{"x", "y"}), "x x", false},
	} {
		if err := c.check(c.answer); (err == nil) != c.ok {
			t.Errorf("%s: error %v", c.rule, err)
		}
	}
}

func TestWhatThisMachineCannotShowIsSkippedLoudly(t *testing.T) {
	var out bytes.Buffer
	all := steps
	defer func() { steps = all }()
	steps = []step{{"shown", "", func(context.Context, *walk) error { return nil }}, {"VIP", "", virtualByNumber}}
	left, err := (&walk{out: &out, noVIP: "no namespaces here"}).all(t.Context())
	if err != nil || left != 1 {
		t.Fatalf("%d left out, %v", left, err)
	}
	if !strings.Contains(out.String(), "SKIPPED, NOT SHOWN: no namespaces here") {
		t.Errorf("said %q", &out)
	}
	if got := summary(2, left); !strings.HasPrefix(got, "1 of 2 steps") || !strings.Contains(got, "SKIPPED") {
		t.Errorf("summary %q", got)
	}
}
