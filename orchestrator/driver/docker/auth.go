package docker

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

// findAuth returns the credentials for a registry in the form the engine takes, and the file they come from; both are
// empty if there are none, which is no error.
func findAuth(domain string, names []string) (header, source string, err error) {
	for _, name := range names {
		f, err := readAuthFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", "", fmt.Errorf("read registry credentials in %s: %w", name, err)
		}
		e, ok := f.lookup(domain)
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

// lookup finds the entry whose key, whatever its form (host, https://host/v1/, …), names the registry.
func (f authFile) lookup(domain string) (authEntry, bool) {
	for key, e := range f.Auths {
		if registryHost(key) == registryHost(domain) && e != (authEntry{}) {
			return e, true
		}
	}
	return authEntry{}, false
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
	server := domain
	if registryHost(domain) == "docker.io" {
		server = hubKey
	}
	return registry.EncodeAuthConfig(registry.AuthConfig{
		Username: e.Username, Password: e.Password, IdentityToken: e.IdentityToken, RegistryToken: e.RegistryToken,
		ServerAddress: server,
	})
}
