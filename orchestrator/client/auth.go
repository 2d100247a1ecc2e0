package client

import (
	"context"
	"net/http"
)

// authorizer puts credentials on a request to e.
type authorizer interface {
	authorize(ctx context.Context, r *http.Request, e endpoint) error
	// refused tells that the server turned the credentials down; true means that trying again with new ones makes sense.
	refused() bool
}

// newAuthorizer chooses the one scheme in use.
func newAuthorizer(opt Options, hc *http.Client) (authorizer, error) {
	s := static{user: opt.User, password: opt.Password, token: opt.Token}
	if opt.User != "" || opt.Token != "" || len(opt.ServiceAccount) == 0 {
		return s, nil
	}
	return newServiceAccount(opt.ServiceAccount, hc)
}

// static are credentials that do not change: basic over the URL's own over a bearer token.
type static struct{ user, password, token string }

func (s static) authorize(_ context.Context, r *http.Request, e endpoint) error {
	switch {
	case s.user != "":
		r.SetBasicAuth(s.user, s.password)
	case e.hasUser:
		r.SetBasicAuth(e.user, e.password)
	case s.token != "":
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	return nil
}

func (static) refused() bool { return false }
