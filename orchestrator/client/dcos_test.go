package client

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dcos is a DC/OS login service and a Marathon behind it.
type dcos struct {
	t      *testing.T
	key    *rsa.PrivateKey
	logins int
	life   time.Duration
	now    time.Time
}

func (d *dcos) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/login" {
		d.login(w, r)
		return
	}
	if r.Header.Get("Authorization") != fmt.Sprintf("token=%s", d.token()) {
		w.WriteHeader(http.StatusUnauthorized)
	}
	_, _ = io.WriteString(w, `{"message":"pong"}`)
}

func (d *dcos) token() string {
	payload := fmt.Sprintf(`{"n":%d,"exp":%d}`, d.logins, d.now.Add(d.life).Unix())
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".x"
}

func (d *dcos) login(w http.ResponseWriter, r *http.Request) {
	d.logins++
	var v struct {
		UID, Token string
		Exp        int64
	}
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil || v.UID != "lb" || v.Exp != d.now.Add(time.Hour).Unix() {
		d.t.Errorf("login %+v, %v", v, err)
	}
	parts := strings.Split(v.Token, ".")
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	sig, _ := base64.RawURLEncoding.DecodeString(parts[2])
	if err := rsa.VerifyPKCS1v15(&d.key.PublicKey, crypto.SHA256, sum[:], sig); err != nil {
		d.t.Error(err)
	}
	if exp, ok := jwtExpiry(v.Token); !ok || exp.Unix() != d.now.Add(time.Minute).Unix() {
		d.t.Errorf("proof expires at %v", exp)
	}
	http.SetCookie(w, &http.Cookie{Name: "dcos-acs-auth-cookie", Value: d.token()})
}

func TestServiceAccountLogsInAndRenews(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	d := &dcos{t: t, key: key, life: time.Hour, now: time.Unix(1_700_000_000, 0)}
	url := serve(t, d.serve)
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(key)
	for kind, der := range map[string][]byte{"RSA PRIVATE KEY": x509.MarshalPKCS1PrivateKey(key), "PRIVATE KEY": pkcs8} {
		d.logins = 0
		doc, _ := json.Marshal(map[string]string{
			"uid": "lb", "login_endpoint": url + "/login",
			"private_key": string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})),
		})
		c := newTestClient(t, Options{URLs: []string{url}, ServiceAccount: doc})
		c.auth.(*serviceAccount).now = func() time.Time { return d.now }
		ping := func(logins int, when string) {
			t.Helper()
			if err := c.Ping(t.Context()); err != nil || d.logins != logins {
				t.Errorf("%s: %v, %d logins, want %d", when, err, d.logins, logins)
			}
		}
		ping(1, "first")
		ping(1, "second")
		start := d.now
		d.now = start.Add(time.Hour - 9*time.Second)
		ping(2, "ten seconds before the end")
		d.logins++ // the server forgets the token
		ping(4, "refused")
		d.now = start
	}
}

func TestServiceAccountErrorsNameTheFieldButNoSecret(t *testing.T) {
	for _, doc := range []string{
		`secret`, `{}`, `{"uid":"lb","login_endpoint":"http://x/login"}`,
		`{"uid":"lb","login_endpoint":"http://x/login","private_key":"secret"}`,
		`{"uid":"lb","login_endpoint":"http://x/login","private_key":"-----BEGIN X-----\nc2VjcmV0\n-----END X-----\n"}`,
	} {
		_, err := New(Options{URLs: []string{"http://127.0.0.1:1"}, ServiceAccount: []byte(doc)})
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "service account") {
			t.Errorf("%s: %v", doc, err)
		}
	}
}
