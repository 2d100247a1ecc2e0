package exitcode

import "testing"

func TestDescribe(t *testing.T) {
	for code, want := range map[int]string{
		0: "exit code 0", 3: "exit code 3", 128: "exit code 128", 255: "exit code 255",
		126: "exit code 126: the command cannot be executed (permission denied, or not a program)",
		127: "exit code 127: command not found",
		137: "exit code 137 (SIGKILL)", 143: "exit code 143 (SIGTERM)", 139: "exit code 139 (SIGSEGV)",
	} {
		if got := Describe(code); got != want {
			t.Errorf("Describe(%d) = %q, want %q", code, got, want)
		}
	}
}
