package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/orchestrator/driver"
)

func TestExecIsEndedWithItsContext(t *testing.T) {
	d := open(t, t.TempDir())
	start(t, d, specOf("x.1", shellApp("exec sleep 100")))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	res, err := d.Exec(ctx, "x.1", "echo begun; sleep 50 & sleep 50")
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 10*time.Second {
		t.Errorf("after %s: %v", time.Since(begin), err)
	}
	if string(res.Output) != "begun\n" {
		t.Errorf("output %q", res.Output)
	}
	res, err = d.Exec(t.Context(), "x.1", "head -c 100000 /dev/zero; exit 4")
	if err != nil || res.ExitCode != 4 || len(res.Output) != execLimit {
		t.Errorf("code %d, %d bytes, %v", res.ExitCode, len(res.Output), err)
	}
}

func TestAFollowerReadsOnOverARotation(t *testing.T) {
	d := open(t, t.TempDir())
	tk := start(t, d, specOf("x.1", shellApp("mkfifo next; exec 7<>next; for i in 1 2 3; do seq ${i}000 ${i}049; read -r x <&7; done")))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	follow := func(n int) io.ReadCloser {
		r, err := d.Logs(ctx, "x.1", driver.LogOptions{Stream: driver.Stdout, Lines: n, Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	ahead := follow(-1)
	var seen strings.Builder
	for i := 1; i <= 3; i++ {
		for last := fmt.Sprintf("%d049\n", i); !strings.HasSuffix(seen.String(), last); {
			buf := make([]byte, 64)
			n, err := ahead.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			seen.Write(buf[:n])
		}
		if err := tk.outputs[driver.Stdout].rotate(200); err != nil {
			t.Fatal(err)
		}
		parts := tk.outputs[driver.Stdout].parts()
		if size(t, parts[1]) != 0 || size(t, parts[0]) != 250 {
			t.Errorf("after rotation: %d and %d bytes", size(t, parts[0]), size(t, parts[1]))
		}
		if err := os.WriteFile(filepath.Join(tk.work(), "next"), []byte("x\n"), 0); err != nil {
			t.Fatal(err)
		}
		if i < 3 {
			// Only when the file is as long again as the follower has read may it go on: the length must not deceive it.
			for deadline := time.Now().Add(patience); size(t, parts[1]) < 250; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the task does not go on")
				}
			}
		}
	}
	end(t, tk)
	rest, err := io.ReadAll(ahead)
	if err != nil || len(rest) > 0 || strings.Count(seen.String(), "\n") != 150 || !strings.HasPrefix(seen.String(), "1000\n") {
		t.Errorf("the follower read %d lines and %q, %v", strings.Count(seen.String(), "\n"), rest, err)
	}
	if text, err := io.ReadAll(follow(2)); string(text) != "3048\n3049\n" || err != nil {
		t.Errorf("the last two lines: %q, %v", text, err)
	}
}

func size(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
