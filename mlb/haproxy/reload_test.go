package haproxy

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"berth/mlb/render"
)

// script is a connection whose answers are fixed.
type script map[string]string

func (s script) ExecuteRaw(command string) (string, error)    { return s.answer(command) }
func (s script) ExecuteMaster(command string) (string, error) { return s.answer(command) }

func (s script) answer(command string) (string, error) {
	command, _, _ = strings.Cut(command, ";")
	if a, ok := s[command]; ok {
		return a, nil
	}
	return "", errors.New("connection refused")
}

// scripted is a HAProxy 3.0 that gives fixed answers.
func scripted(t *testing.T, answers script) *HAProxy {
	t.Helper()
	dir := shortDir(t)
	paths, err := NewPaths(dir+"/haproxy.cfg", dir+"/run")
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Options{Binary: &Binary{Version: Version{3, 0, 1}}, Paths: paths, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	h.sock.dial = func(string) (conn, error) { return answers, nil }
	h.good = state{Output: render.Written([]byte("backend bad_1\nglobal\n    description mlb:0123456789abcdef\n"), nil)}
	return h
}

const procTable = "#<PID> <type> <reloads> <uptime> <version>\n1 master 0 [failed: 0] 0d 3.0.1\n# workers\n2 worker 0 0d 3.0.1\n"

func TestMastersRefusalOfAReloadGivesItsReasons(t *testing.T) {
	h := scripted(t, script{
		"show proc": procTable,
		"reload":    "Success=0\n--\n[ALERT]    (1) : config : parsing [/x/haproxy.cfg:1] : backend 'bad_1' is no good\n",
	})
	var refused *CheckError
	if err := h.reload(t.Context(), nil); !errors.As(err, &refused) || refused.Reasons[0].Section != "bad_1" {
		t.Errorf("got %v, want a reason for bad_1", err)
	}
}

func TestReloadWithoutAMarkerIsRefused(t *testing.T) {
	h := scripted(t, script{"show proc": procTable})
	h.good.Output = render.Written([]byte("global\n"), nil)
	if err := h.reload(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "marker") {
		t.Errorf("got %v, want an error about the marker", err)
	}
}

func TestCommandsGoOnlyToTheWorkerThatWasLoaded(t *testing.T) {
	h := scripted(t, script{"show info": "Pid: 2\ndescription: mlb:ffffffffffffffff\n"})
	h.loaded = "mlb:0123456789abcdef"
	if _, err := h.commands(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "expected") {
		t.Errorf("got %v, want a refusal", err)
	}
}
