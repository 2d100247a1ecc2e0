package client

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"
)

// Options configure a Client. The value in brackets is what zero means.
type Options struct {
	URLs      []string // base URLs of one cluster, tried in order; each may carry user:password@ and a path
	User      string   // basic authentication, over what the URL carries
	Password  string
	Token     string // bearer token
	TokenFile string // file whose first line is the token, over Token; read for each request, so that a new one counts
	CAFile    string // PEM bundle to verify the server with, instead of the system's
	Insecure  bool   // do not verify the server
	CertFile  string // PEM certificate to show the server
	KeyFile   string // PEM of its key [CertFile]
	UserAgent string // [berth]
	// ServiceAccount is the JSON of a DC/OS service account: uid, private_key, login_endpoint (marathon-lb.md section
	// 2.3). Of User, the URL's own credentials, Token and ServiceAccount the first that is given counts.
	ServiceAccount []byte

	Timeout  time.Duration // one attempt of one call at one URL, without the event stream [46 s]
	MaxBody  int64         // bytes of an unpacked answer [256 MiB]
	Parallel int           // apps refetched at a time [8]

	Quiet   time.Duration // Watch delivers after this long without an event [5 ms]
	Ceiling time.Duration // but never later than this after the first one [50 ms]
	Resync  time.Duration // everything is read anew this often, give or take a tenth [5 min]

	Silence    time.Duration // an event stream without a byte for this long is dead; Berth sends one every 10 s [30 s]
	MaxBackoff time.Duration // longest wait between two attempts to open the event stream [30 s]
	HoldDown   time.Duration // a sudden loss of most apps or tasks is asked for again after this long [5 s]

	// CacheFile keeps the last snapshot; "" keeps none. DiskAfter is how long Watch waits for a source before it serves
	// from the file [2 s].
	CacheFile string
	DiskAfter time.Duration
	// Subscriber and Role name the follower in the drain handshake; "" takes no part.
	Subscriber, Role string

	Log *slog.Logger // nil discards
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.Timeout, 46*time.Second)
	def(&o.Quiet, 5*time.Millisecond)
	def(&o.Ceiling, 50*time.Millisecond)
	def(&o.Resync, 5*time.Minute)
	def(&o.Silence, 30*time.Second)
	def(&o.MaxBackoff, 30*time.Second)
	def(&o.HoldDown, 5*time.Second)
	def(&o.DiskAfter, 2*time.Second)
	if o.MaxBody <= 0 {
		o.MaxBody = 256 << 20
	}
	if o.Parallel <= 0 {
		o.Parallel = 8
	}
	if o.UserAgent == "" {
		o.UserAgent = "berth"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// ParseCredentials splits user:password at the first colon, so that a password may contain colons. The error does not
// repeat the text.
func ParseCredentials(s string) (user, password string, err error) {
	user, password, ok := strings.Cut(strings.TrimRight(s, "\r\n"), ":")
	if !ok || user == "" {
		return "", "", fmt.Errorf("credentials: expected user:password")
	}
	return user, password, nil
}

// TLS is the part of o about the connection. It verifies the server unless told otherwise: against the system's roots, or
// CAFile alone if that is given. The certificate for the server is read anew for each connection, so that a new one counts.
func TLS(o Options) (*tls.Config, error) {
	cfg := &tls.Config{InsecureSkipVerify: o.Insecure, MinVersion: tls.VersionTLS12} //nolint:gosec // asked for
	if o.CertFile != "" {
		if o.KeyFile == "" {
			o.KeyFile = o.CertFile
		}
		own := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("client certificate %s, key %s: %w", o.CertFile, o.KeyFile, err)
			}
			return &pair, nil
		}
		if _, err := own(nil); err != nil {
			return nil, err
		}
		cfg.GetClientCertificate = own
	} else if o.KeyFile != "" {
		return nil, fmt.Errorf("key of a client certificate %s: expected its certificate as well", o.KeyFile)
	}
	if o.CAFile == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s: expected at least one PEM certificate", o.CAFile)
	}
	return cfg, nil
}
