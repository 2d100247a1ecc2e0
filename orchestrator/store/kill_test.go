package store

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/orchestrator/api"
)

// A write that was answered is in the file after kill -9, whenever that comes.
func TestKillLosesNoAcceptedWrite(t *testing.T) {
	if path := os.Getenv("BERTH_STORE_WRITER"); path != "" {
		writeForEver(path)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := file(t)
	last := 0
	for round := range 5 {
		cmd := exec.Command(exe, "-test.run=^TestKillLosesNoAcceptedWrite$")
		cmd.Env = append(os.Environ(), "BERTH_STORE_WRITER="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		for begun := false; lines.Scan(); begun = true {
			if !begun { // however long the start took
				timer.Reset(time.Duration(100+37*round) * time.Millisecond)
			}
			if n, ok := strings.CutPrefix(lines.Text(), "wrote "); ok {
				if last, err = strconv.Atoi(n); err != nil {
					t.Fatal(err)
				}
			}
		}
		timer.Stop()
		_ = cmd.Wait() // it was killed
		s, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		a := s.App("/web")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if last > 0 && (a == nil || int(a.Def.Version) < last) {
			t.Fatalf("round %d: the file holds %+v, version %d was accepted", round, a, last)
		}
	}
	if last == 0 {
		t.Error("nothing was ever written")
	}
}

// writeForEver is the process that gets killed.
func writeForEver(path string) {
	s, err := Open(path, Options{LockTimeout: 10 * time.Second})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	v := api.Timestamp(0)
	if a := s.App("/web"); a != nil {
		v = a.Def.Version
	}
	for {
		v++
		_, err := s.Update(func(tx *Tx) error { define(tx, "/web", v); return nil })
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("wrote", int(v))
	}
}
