package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// keys are the credentials that open the API. Only digests are kept, which also makes all comparisons equally long.
type keys struct {
	users  map[string][sha256.Size]byte
	tokens [][sha256.Size]byte
}

func newKeys(users map[string]string, tokens []string) keys {
	k := keys{users: map[string][sha256.Size]byte{}}
	for name, password := range users {
		k.users[name] = digest(name, password)
	}
	for _, t := range tokens {
		k.tokens = append(k.tokens, digest("", t))
	}
	return k
}

func digest(name, secret string) [sha256.Size]byte {
	return sha256.Sum256([]byte(name + "\x00" + secret))
}

func (k keys) none() bool { return len(k.users) == 0 && len(k.tokens) == 0 }

// user reports whether name and password match. The time taken tells neither a name nor a part of a password.
func (k keys) user(name, password string) bool {
	given := digest(name, password)
	found := 0
	for _, d := range k.users {
		found |= subtle.ConstantTimeCompare(d[:], given[:])
	}
	return found == 1
}

func (k keys) token(t string) bool {
	given := digest("", t)
	found := 0
	for _, d := range k.tokens {
		found |= subtle.ConstantTimeCompare(d[:], given[:])
	}
	return found == 1
}

// authenticate checks the credentials of c, if any are asked for, and remembers whose they are.
func (s *Server) authenticate(c *call) error {
	if s.keys.none() || open[c.route] {
		return nil
	}
	if name, password, ok := c.BasicAuth(); ok && s.keys.user(name, password) {
		c.who = name
		return nil
	}
	if t, ok := bearer(c.Header.Get("Authorization")); ok && s.keys.token(t) {
		c.who = "token"
		return nil
	}
	return &refusal{
		status:  http.StatusUnauthorized,
		message: "credentials are missing or wrong",
		header:  http.Header{"Www-Authenticate": {`Basic realm="Mesosphere"`}},
	}
}

// bearer reads the token of an Authorization header (RFC 6750); "token=" is how DC/OS clients write the scheme.
func bearer(header string) (string, bool) {
	scheme, t, ok := strings.Cut(header, " ")
	if ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(t), true
	}
	return strings.CutPrefix(header, "token=")
}
