package main

import (
	"net/http/httptest"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"berth": main})
}

// TestScripts runs the transcripts in testdata/script, each against an orchestrator of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			server := httptest.NewServer(newFake())
			env.Defer(server.Close)
			env.Setenv("BERTH_URL", server.URL)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // each command is a process of its own
			return nil
		},
	})
}
