package client

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"berth/orchestrator/api"
)

func TestABackupThatIsNotWholeIsAnError(t *testing.T) {
	const state = "the state"
	sum := fmt.Sprintf("sha256=%x", sha256.Sum256([]byte(state)))
	for _, tc := range []struct{ rule, sum, length, want string }{
		{"whole", sum, "9", ""},
		{"another digest", strings.Replace(sum, "sha256=", "sha256=0", 1), "9", "damaged on its way: 9 bytes"},
		{"cut off", sum, "20", "after 9 bytes"},
		{"no backup", "", "9", "it is not a backup"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v1/backup" {
					t.Errorf("path: %s", r.URL.Path)
				}
				w.Header().Set("Content-Length", tc.length)
				w.Header().Set(api.IndexHeader, "7")
				if tc.sum != "" {
					w.Header().Set(api.ChecksumHeader, tc.sum)
				}
				_, _ = w.Write([]byte(state))
			}))
			defer srv.Close()
			c, err := New(Options{URLs: []string{srv.URL}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var got bytes.Buffer
			b, err := c.Backup(t.Context(), &got)
			if tc.want == "" {
				if err != nil || b != (Backup{Index: 7, Size: 9}) || got.String() != state {
					t.Errorf("%+v, %v, %q", b, err, got.String())
				}
			} else if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v; want %q", err, tc.want)
			}
		})
	}
}
