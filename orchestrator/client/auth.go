package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// authorizer puts credentials on a request to e.
type authorizer interface {
	authorize(ctx context.Context, r *http.Request, e endpoint) error
	// refused tells that the server turned the credentials down; true means that trying again with new ones makes sense.
	refused() bool
}

// newAuthorizer chooses the one scheme in use.
func newAuthorizer(opt Options, hc *http.Client) (authorizer, error) {
	s := static{user: opt.User, password: opt.Password, token: opt.Token, file: opt.TokenFile}
	if opt.TokenFile != "" {
		if _, err := readToken(opt.TokenFile); err != nil {
			return nil, err
		}
	}
	if opt.User != "" || opt.Token != "" || opt.TokenFile != "" || len(opt.ServiceAccount) == 0 {
		return s, nil
	}
	return newServiceAccount(opt.ServiceAccount, hc)
}

// static are credentials that do not change: basic over the URL's own over a bearer token.
type static struct{ user, password, token, file string }

func (s static) authorize(_ context.Context, r *http.Request, e endpoint) error {
	switch {
	case s.user != "":
		r.SetBasicAuth(s.user, s.password)
	case e.hasUser:
		r.SetBasicAuth(e.user, e.password)
	case s.file != "":
		token, err := readToken(s.file)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+token)
	case s.token != "":
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	return nil
}

// maxToken bounds the file of a token, in bytes.
const maxToken = 64 << 10

// readToken reads the first line of a file. Errors do not repeat it.
func readToken(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("token file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxToken))
	if err != nil {
		return "", fmt.Errorf("token file: %w", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if line = strings.TrimSpace(line); line == "" || strings.ContainsAny(line, " \t") {
		return "", fmt.Errorf("token file %s: expected a token, without blanks, in the first line", name)
	}
	return line, nil
}

func (static) refused() bool { return false }
