package orchestratord

import (
	"fmt"
	"io"
	"os"
	"strings"

	"berth/cmd/internal/cli"
)

// maxSecrets bounds a file of credentials, in bytes.
const maxSecrets = 1 << 20

// access reads who may use the API. Errors never repeat a secret.
func (c Config) access(r *resolved) error {
	r.users = map[string]string{}
	for _, pair := range c.Credentials {
		if err := addUser(r.users, pair); err != nil {
			return cli.Usagef("--credentials: %v", err)
		}
	}
	lines, err := secretLines("credentials-file", c.CredentialsFile)
	if err != nil {
		return err
	}
	for i, pair := range lines {
		if err := addUser(r.users, pair); err != nil {
			return cli.Usagef("--credentials-file %s: entry %d: %v", c.CredentialsFile, i+1, err)
		}
	}
	r.tokens, err = secretLines("token-file", c.TokenFile)
	return err
}

func addUser(users map[string]string, pair string) error {
	name, password, ok := strings.Cut(pair, ":")
	if !ok || name == "" || password == "" {
		return fmt.Errorf("expected user:password, both not empty")
	}
	if _, ok := users[name]; ok {
		return fmt.Errorf("user %q is given twice", name)
	}
	users[name] = password
	return nil
}

// secretLines reads the lines of a file, without empty ones and those starting with #. A file that is named but gives
// nothing is an error: the API would be open to everybody.
func secretLines(flag, name string) ([]string, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, cli.Usagef("--%s: %v", flag, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecrets+1))
	if err != nil {
		return nil, cli.Usagef("--%s: %v", flag, err)
	}
	if len(data) > maxSecrets {
		return nil, cli.Usagef("--%s %s: larger than the limit of %d bytes", flag, name, maxSecrets)
	}
	var out []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	if len(out) == 0 {
		return nil, cli.Usagef("--%s %s: holds no entry; expected one a line", flag, name)
	}
	return out, nil
}
