package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
)

// Role is what a credential allows.
type Role string

// Roles.
const (
	RoleRead  Role = "read"  // look at everything, follow events, take part in the drain handshake
	RoleWrite Role = "write" // also change everything, run commands in tasks, take a backup
)

// Credential opens the API: by name and password (basic authentication, RFC 7617), or by a bearer token (RFC 6750).
type Credential struct {
	Name     string // who it is, in logs too; the user's name where there is a password
	Password string
	Token    string
	Role     Role // "" means RoleWrite
}

// keys are the credentials that open the API. Only digests are kept, which also makes all comparisons equally long.
type keys struct {
	users  []key
	tokens []key
}

type key struct {
	digest [sha256.Size]byte
	name   string
	role   Role
}

func newKeys(list []Credential) *keys {
	k := &keys{}
	for _, c := range list {
		if c.Role == "" {
			c.Role = RoleWrite
		}
		if c.Token != "" {
			k.tokens = append(k.tokens, key{digest("", c.Token), c.Name, c.Role})
		} else {
			k.users = append(k.users, key{digest(c.Name, c.Password), c.Name, c.Role})
		}
	}
	return k
}

func digest(name, secret string) [sha256.Size]byte {
	return sha256.Sum256([]byte(name + "\x00" + secret))
}

func (k *keys) none() bool { return len(k.users) == 0 && len(k.tokens) == 0 }

// find returns the key with the given digest, or nil. The time taken tells neither a name nor a part of a secret.
func find(list []key, given [sha256.Size]byte) *key {
	at := -1
	for i := range list {
		at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(list[i].digest[:], given[:]), i, at)
	}
	if at < 0 {
		return nil
	}
	return &list[at]
}

// SetCredentials replaces the credentials. Requests under way, open streams among them, are not affected. An empty list
// is refused if there were any: it would open the API to everybody.
func (s *Server) SetCredentials(list []Credential) error {
	if len(list) == 0 && !s.keys.Load().none() {
		return fmt.Errorf("no credentials are left; expected at least one")
	}
	s.keys.Store(newKeys(list))
	return nil
}

// authenticate checks the credentials of c, if any are asked for, and remembers whose they are. Where none are asked for,
// a client certificate says who it is.
func (s *Server) authenticate(c *call) error {
	k := s.keys.Load()
	if c.TLS != nil && len(c.TLS.VerifiedChains) > 0 {
		c.who = c.TLS.PeerCertificates[0].Subject.CommonName
	}
	if k.none() || open[c.route] {
		c.role = RoleWrite
		return nil
	}
	if c.Header.Get("Authorization") == "" {
		return unauthorized()
	}
	from := network(c.clientIP())
	if !s.guesses.left(from, s.opt.Now()) {
		return &refusal{
			status:  http.StatusTooManyRequests,
			message: "too many requests with wrong credentials came from this address; try again in some seconds",
			header:  http.Header{"Retry-After": {"5"}},
		}
	}
	found := k.match(c.Request)
	if found == nil {
		s.guesses.take(from, s.opt.Now())
		return unauthorized()
	}
	c.who, c.role = found.name, found.role
	return nil
}

// match finds the key that the request's Authorization header holds, or nil.
func (k *keys) match(r *http.Request) *key {
	if name, password, ok := r.BasicAuth(); ok {
		return find(k.users, digest(name, password))
	}
	if t, ok := bearer(r.Header.Get("Authorization")); ok {
		return find(k.tokens, digest("", t))
	}
	return nil
}

func unauthorized() error {
	return &refusal{
		status:  http.StatusUnauthorized,
		message: "credentials are missing or wrong",
		header:  http.Header{"Www-Authenticate": {`Basic realm="Mesosphere"`}},
	}
}

// authorize refuses what c's role does not allow.
func (c *call) authorize() error {
	if c.role == RoleWrite || !c.changes() {
		return nil
	}
	return &refusal{
		status:  http.StatusForbidden,
		message: fmt.Sprintf("%q may only read; this needs the role write", c.who),
	}
}

// changes reports whether the request needs the role write and is recorded. Acknowledgements are a follower's part of looking.
func (c *call) changes() bool {
	switch c.route {
	case routeAcks, routePlan:
		return false
	case routeBackup: // all there is, in one piece
		return true
	}
	return writes(c.Method)
}

// bearer reads the token of an Authorization header (RFC 6750); "token=" is how DC/OS clients write the scheme.
func bearer(header string) (string, bool) {
	scheme, t, ok := strings.Cut(header, " ")
	if ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(t), true
	}
	return strings.CutPrefix(header, "token=")
}
