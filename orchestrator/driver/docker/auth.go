package docker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/registry"
)

// hubKey is how Docker's own tools store credentials of the Docker Hub.
const hubKey = "https://index.docker.io/v1/"

// maxAuthFile bounds a credentials file; one fetched into a sandbox is the app's.
const maxAuthFile = 1 << 20

// authFile is Docker's config.json, as far as it concerns credentials.
type authFile struct {
	Auths       map[string]authEntry `json:"auths"`
	CredHelpers map[string]string    `json:"credHelpers"`
	CredsStore  string               `json:"credsStore"`
}

type authEntry struct {
	Auth          string `json:"auth"` // base64 of user:password
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

func (d *Driver) configFile() string {
	if d.opt.ConfigFile != "" {
		return d.opt.ConfigFile
	}
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return filepath.Join(dir, "config.json")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/root"
	}
	return filepath.Join(home, ".docker", "config.json")
}

// findAuth returns the credentials for a registry in the form the engine takes, and where they come from; both are empty
// if there are none, which is no error. Files of the app come before own, the daemon's, which alone may name credential
// helpers.
func findAuth(ctx context.Context, domain string, apps []string, own string) (header, source string, err error) {
	for _, name := range append(slices.Clone(apps), own) {
		f, err := readAuthFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", "", fmt.Errorf("read registry credentials in %s: %w", name, err)
		}
		if name != own {
			f.CredHelpers, f.CredsStore = nil, ""
		}
		e, ok, err := f.lookup(ctx, domain)
		if err != nil {
			return "", "", fmt.Errorf("registry credentials for %s by %s: %w", domain, name, err)
		}
		if !ok {
			continue
		}
		header, err := e.header(domain)
		if err != nil {
			return "", "", fmt.Errorf("read registry credentials for %s in %s: %w", domain, name, err)
		}
		return header, name, nil
	}
	return "", "", nil
}

func readAuthFile(name string) (authFile, error) {
	var f authFile
	file, err := os.Open(name)
	if err != nil {
		return f, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxAuthFile+1))
	if err != nil {
		return f, err
	}
	if len(data) > maxAuthFile {
		return f, fmt.Errorf("larger than %d bytes", maxAuthFile)
	}
	if filepath.Base(name) == ".dockercfg" {
		// The form before config.json: the entries without anything around them.
		err = json.Unmarshal(data, &f.Auths)
	} else {
		err = json.Unmarshal(data, &f)
	}
	return f, err
}

// lookup asks the registry's helper if there is one, and then finds the entry whose key, whatever its form (host,
// https://host/v1/, …), names the registry. Not ok: neither has credentials.
func (f authFile) lookup(ctx context.Context, domain string) (e authEntry, ok bool, err error) {
	if name := f.helper(domain); name != "" {
		e, err := askHelper(ctx, name, serverAddress(domain))
		if err == nil {
			return e, true, nil
		}
		if !errors.Is(err, errNoCredentials) {
			return authEntry{}, false, err
		}
	}
	for key, e := range f.Auths {
		if registryHost(key) == registryHost(domain) && e != (authEntry{}) {
			return e, true, nil
		}
	}
	return authEntry{}, false, nil
}

// serverAddress is the key under which Docker's tools keep a registry's credentials.
func serverAddress(domain string) string {
	if registryHost(domain) == "docker.io" {
		return hubKey
	}
	return domain
}

func registryHost(key string) string {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	host, _, _ := strings.Cut(key, "/")
	if host == "index.docker.io" || host == "registry-1.docker.io" {
		return "docker.io"
	}
	return host
}

func (e authEntry) header(domain string) (string, error) {
	if e.Auth != "" && e.Username == "" {
		plain, err := base64.StdEncoding.DecodeString(e.Auth)
		user, password, ok := strings.Cut(string(plain), ":")
		if err != nil || !ok {
			return "", errors.New(`"auth" is not base64 of user:password`)
		}
		e.Username, e.Password = user, strings.TrimRight(password, "\x00")
	}
	return registry.EncodeAuthConfig(registry.AuthConfig{
		Username: e.Username, Password: e.Password, IdentityToken: e.IdentityToken, RegistryToken: e.RegistryToken,
		ServerAddress: serverAddress(domain),
	})
}
