package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"berth/orchestrator/driver/tail"
)

const (
	helperPrefix = "docker-credential-"
	helperTime   = 30 * time.Second // some ask a cloud's API
	helperLimit  = 64 << 10         // bytes read of a helper's answer
	// helperToken is the user name that marks the secret as an identity token.
	helperToken = "<token>"
	// helperUnknown is what every helper says when it has nothing for a registry.
	helperUnknown = "credentials not found in native keychain"
)

var helperName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// errNoCredentials says that a helper has none for this registry.
var errNoCredentials = errors.New(helperUnknown)

// helper returns the name of the credential helper for a registry, or "": the one of the registry over the one of all.
func (f authFile) helper(domain string) string {
	for key, name := range f.CredHelpers {
		if registryHost(key) == registryHost(domain) {
			return name
		}
	}
	return f.CredsStore
}

// askHelper runs the program docker-credential-<name>, found in PATH, with the argument "get" and the registry on stdin;
// it answers with JSON (github.com/docker/docker-credential-helpers). It has the daemon's environment and rights, so only
// the daemon's own configuration may name one. The error never holds what the helper answered.
func askHelper(ctx context.Context, name, server string) (authEntry, error) {
	if !helperName.MatchString(name) {
		return authEntry{}, fmt.Errorf("credential helper %q: expected a name of letters, digits, dots, hyphens and underscores", name)
	}
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	stdout, stderr := tail.NewHead(helperLimit), tail.NewHead(helperLimit)
	cmd := exec.CommandContext(ctx, helperPrefix+name, "get")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(server), stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return authEntry{}, fmt.Errorf("credential helper %s: no answer in %s: %w", helperPrefix+name, helperTime, ctx.Err())
	case errors.Is(err, exec.ErrNotFound):
		return authEntry{}, fmt.Errorf("credential helper %s: not found in the orchestrator's PATH", helperPrefix+name)
	case errors.As(err, &exit):
		return authEntry{}, helperFailed(name, exit, stdout.Bytes(), stderr.Bytes())
	case err != nil:
		return authEntry{}, fmt.Errorf("credential helper %s: %w", helperPrefix+name, err)
	}
	return helperAnswer(name, stdout.Bytes())
}

// helperFailed is why a helper ended with an error: the first line it printed.
func helperFailed(name string, exit *exec.ExitError, stdout, stderr []byte) error {
	said := bytes.TrimSpace(stdout)
	if strings.Contains(string(said), helperUnknown) {
		return errNoCredentials
	}
	if len(said) == 0 {
		said = bytes.TrimSpace(stderr)
	}
	line, _, _ := strings.Cut(string(said), "\n")
	return fmt.Errorf("credential helper %s: %w: %.300s", helperPrefix+name, exit, line)
}

func helperAnswer(name string, data []byte) (authEntry, error) {
	var v struct{ Username, Secret string }
	if err := json.Unmarshal(data, &v); err != nil || v.Secret == "" {
		return authEntry{}, fmt.Errorf("credential helper %s: expected a JSON object with Username and Secret", helperPrefix+name)
	}
	if v.Username == helperToken {
		return authEntry{IdentityToken: v.Secret}, nil
	}
	return authEntry{Username: v.Username, Password: v.Secret}, nil
}
