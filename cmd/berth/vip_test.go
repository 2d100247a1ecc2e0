package main

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"berth/cmd/internal/cli"
	"berth/internal/porttest"
)

func TestWhereNoVIPAnswersTheAppsTell(t *testing.T) {
	orchestrator := httptest.NewServer(newFake())
	defer orchestrator.Close()
	nobody := fmt.Sprintf("http://127.0.0.1:%d", porttest.Free(t))
	root := newRoot()
	cmd, _, err := root.Find([]string{"vip", "list"})
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Flags().Lookup("vip").Value.Set(nobody); err != nil { // as if it were the default
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := cli.Run(root, []string{"vip", "list", "--url", orchestrator.URL}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	if want := "no vip answers at " + nobody; !strings.Contains(stderr.String(), want) {
		t.Errorf("said %q, want %q", &stderr, want)
	}
	if !strings.HasPrefix(stdout.String(), "VIP ") {
		t.Errorf("printed %q, want the heading", &stdout)
	}
}
