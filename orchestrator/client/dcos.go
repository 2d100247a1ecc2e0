package client

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	dcosCookie   = "dcos-acs-auth-cookie"
	dcosAsk      = time.Hour        // life asked for
	dcosProof    = time.Minute      // life of the signed request
	dcosMargin   = 10 * time.Second // renewed this long before the end
	dcosMaxReply = 1 << 20
	dcosTimeout  = 10 * time.Second
)

// serviceAccount logs in to DC/OS and keeps the token (marathon-lb.md section 2.3).
type serviceAccount struct {
	uid   string
	key   *rsa.PrivateKey
	login string
	http  *http.Client
	now   func() time.Time

	mu    sync.Mutex // held during a login, so that callers share it
	token string
	until time.Time
}

func newServiceAccount(doc []byte, hc *http.Client) (*serviceAccount, error) {
	var v struct {
		UID        string `json:"uid"`
		PrivateKey string `json:"private_key"`
		Login      string `json:"login_endpoint"`
	}
	if err := json.Unmarshal(doc, &v); err != nil { // the parser may quote from the document: say no more
		return nil, errors.New("service account: expected a JSON object with uid, private_key and login_endpoint")
	}
	u, err := url.Parse(v.Login)
	if v.UID == "" || err != nil || u.Host == "" {
		return nil, errors.New("service account: uid must not be empty and login_endpoint must be a URL")
	}
	key, err := parseRSA([]byte(v.PrivateKey))
	if err != nil {
		return nil, fmt.Errorf("service account: private_key: %w", err)
	}
	return &serviceAccount{uid: v.UID, key: key, login: v.Login, http: hc, now: time.Now}, nil
}

func parseRSA(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("expected a PEM block")
	}
	if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return k, nil
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("expected an RSA key in PKCS 1 or PKCS 8 form")
	}
	rk, ok := k.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("expected an RSA key, got %T", k)
	}
	return rk, nil
}

func (s *serviceAccount) authorize(ctx context.Context, r *http.Request, e endpoint) error {
	if e.hasUser {
		return static{}.authorize(ctx, r, e)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == "" || s.now().Add(dcosMargin).After(s.until) {
		if err := s.renew(ctx); err != nil {
			return fmt.Errorf("log in service account %s: %w", s.uid, err)
		}
	}
	r.Header.Set("Authorization", "token="+s.token)
	return nil
}

func (s *serviceAccount) refused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = ""
	return true
}

// renew posts a signed request and keeps the cookie of the answer; s.mu is held.
func (s *serviceAccount) renew(ctx context.Context) error {
	now := s.now()
	proof, err := signRS256(s.key, map[string]any{"uid": s.uid, "exp": now.Add(dcosProof).Unix()})
	if err != nil {
		return err
	}
	until := now.Add(dcosAsk)
	body, err := json.Marshal(map[string]any{"uid": s.uid, "token": proof, "exp": until.Unix()})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, dcosTimeout)
	defer cancel()
	token, err := s.post(ctx, body)
	if err != nil {
		return err
	}
	if exp, ok := jwtExpiry(token); ok {
		until = exp
	}
	s.token, s.until = token, until
	return nil
}

func (s *serviceAccount) post(ctx context.Context, body []byte) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.login, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := s.http.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, dcosMaxReply)
	if resp.StatusCode/100 != 2 {
		return "", fmt.Errorf("status %d", resp.StatusCode)
	}
	for _, c := range resp.Cookies() {
		if c.Name == dcosCookie && c.Value != "" {
			return c.Value, nil
		}
	}
	return "", fmt.Errorf("answer without the cookie %s", dcosCookie)
}

// signRS256 makes a JSON web token (RFC 7519) signed with RSASSA-PKCS1-v1_5 and SHA-256.
func signRS256(key *rsa.PrivateKey, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	text := enc.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + enc.EncodeToString(payload)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + enc.EncodeToString(sig), nil
}

// jwtExpiry reads the exp claim of a token without verifying it.
func jwtExpiry(token string) (time.Time, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, false
	}
	var v struct {
		Exp float64 `json:"exp"`
	}
	if json.Unmarshal(b, &v) != nil || v.Exp <= 0 {
		return time.Time{}, false
	}
	return time.Unix(int64(v.Exp), 0), true
}
