package orchestratord

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"unicode"

	"berth/cmd/internal/cli"
	"berth/orchestrator/httpapi"
)

var errLarge = fmt.Errorf("larger than the limit of %d bytes", maxSmall)

// access reads who may use the API.
func (c Config) access(r *resolved) (err error) {
	r.credentials, err = c.readCredentials()
	return err
}

// readCredentials collects users and tokens from flags and files. Errors never repeat a secret.
func (c Config) readCredentials() ([]httpapi.Credential, error) {
	var list []httpapi.Credential
	for _, text := range c.Credentials {
		u, err := parseUser(text)
		if err != nil {
			return nil, cli.Usagef("--credentials: %v", err)
		}
		list = append(list, u)
	}
	users, err := readEntries("credentials-file", c.CredentialsFile, parseUser)
	if err != nil {
		return nil, err
	}
	tokens, err := readEntries("token-file", c.TokenFile, parseToken)
	if err != nil {
		return nil, err
	}
	list = append(list, users...)
	names := map[string]bool{}
	for _, u := range list {
		if names[u.Name] {
			return nil, cli.Usagef("user %q is given twice", u.Name)
		}
		names[u.Name] = true
	}
	secrets := map[string]bool{}
	for _, t := range tokens {
		if secrets[t.Token] {
			return nil, cli.Usagef("--token-file %s: the same token is given twice", c.TokenFile)
		}
		secrets[t.Token] = true
	}
	return append(list, tokens...), nil
}

// parseUser reads [ROLE ]user:password.
func parseUser(text string) (httpapi.Credential, error) {
	role, rest, err := cutRole(text)
	if err != nil {
		return httpapi.Credential{}, err
	}
	name, password, ok := strings.Cut(rest, ":")
	if !ok || name == "" || password == "" {
		return httpapi.Credential{}, errors.New("expected user:password, both not empty, or a role, read or write, in front of it")
	}
	return httpapi.Credential{Name: name, Password: password, Role: role}, nil
}

// parseToken reads [ROLE ][NAME ]token. A token has no blanks (RFC 6750 section 2.1).
func parseToken(text string) (httpapi.Credential, error) {
	role, rest, err := cutRole(text)
	if err != nil {
		return httpapi.Credential{}, err
	}
	f := strings.Fields(rest)
	if len(f) > 0 && isRole(f[0]) {
		return httpapi.Credential{}, fmt.Errorf("%q is a role: expected a token behind it, and no other role", f[0])
	}
	switch len(f) {
	case 1:
		return httpapi.Credential{Name: "token", Token: f[0], Role: role}, nil
	case 2:
		return httpapi.Credential{Name: f[0], Token: f[1], Role: role}, nil
	}
	return httpapi.Credential{}, errors.New("expected a token, or a role, read or write, a name and a token")
}

// cutRole takes a role off the front of an entry. Without one, an entry may do everything; what only looks like a role is
// an error, so that nobody gets more than was meant.
func cutRole(text string) (httpapi.Role, string, error) {
	i := strings.IndexFunc(text, unicode.IsSpace)
	if i < 0 || !isRole(text[:i]) {
		return httpapi.RoleWrite, text, nil
	}
	role := httpapi.Role(text[:i])
	if role != httpapi.RoleRead && role != httpapi.RoleWrite {
		return "", "", fmt.Errorf("role %q: expected read or write, in small letters", text[:i])
	}
	return role, strings.TrimSpace(text[i:]), nil
}

func isRole(word string) bool {
	return strings.EqualFold(word, string(httpapi.RoleRead)) || strings.EqualFold(word, string(httpapi.RoleWrite))
}

// readEntries reads the lines of a file, without empty ones and those starting with #. A file that is named but gives
// nothing is an error: the API would be open to everybody.
func readEntries(flag, name string, parse func(string) (httpapi.Credential, error)) ([]httpapi.Credential, error) {
	if name == "" {
		return nil, nil
	}
	data, err := readSmall(name)
	if err != nil {
		return nil, cli.Usagef("--%s: %v", flag, err)
	}
	var out []httpapi.Credential
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		c, err := parse(line)
		if err != nil {
			return nil, cli.Usagef("--%s %s: entry %d: %v", flag, name, len(out)+1, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, cli.Usagef("--%s %s: holds no entry; expected one a line", flag, name)
	}
	return out, nil
}

// warnIfShared says which files with secrets others on this machine can read.
func warnIfShared(log *slog.Logger, files ...string) {
	for _, f := range files {
		if info, err := os.Stat(f); f != "" && err == nil && info.Mode().Perm()&0o077 != 0 {
			log.Warn("others on this machine can read a file with secrets", "file", f, "mode", info.Mode().Perm().String())
		}
	}
}
