package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"berth/cmd/internal/cli"
	"berth/cmd/internal/mlbd"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mlb": func() { cli.Main(mlbd.Command()) }})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", e.Getenv("PATH")+":/usr/sbin:/usr/local/sbin")
			e.Setenv("TMPDIR", os.TempDir())
			return nil
		},
	})
}
