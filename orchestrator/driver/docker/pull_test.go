package docker

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/orchestrator/api"
	"berth/orchestrator/driver/drivertest/program"
	"berth/orchestrator/driver/drivertest/scratch"
)

// miniRegistry serves one image, test:latest, with an empty layer, to whoever is "me" with password "secret"; engines speak plain
// HTTP to registries on loopback. (Registry HTTP API V2.)
type miniRegistry struct {
	manifest []byte
	blobs    map[string][]byte
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func newMiniRegistry(t *testing.T) *miniRegistry {
	t.Helper()
	var layer, packed bytes.Buffer
	tw := tar.NewWriter(&layer)
	_ = tw.WriteHeader(&tar.Header{Name: "marker-" + testCluster, Mode: 0o644})
	_ = tw.Close()
	zw := gzip.NewWriter(&packed)
	_, _ = zw.Write(layer.Bytes())
	_ = zw.Close()
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","config":{"Cmd":["/nothing"]},`+
		`"rootfs":{"type":"layers","diff_ids":[%q]}}`, digest(layer.Bytes()))
	ref := func(mediaType string, b []byte) map[string]any {
		return map[string]any{"mediaType": mediaType, "size": len(b), "digest": digest(b)}
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
		"config": ref("application/vnd.docker.container.image.v1+json", []byte(config)),
		"layers": []any{ref("application/vnd.docker.image.rootfs.diff.tar.gzip", packed.Bytes())},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &miniRegistry{manifest: manifest, blobs: map[string][]byte{
		digest([]byte(config)): []byte(config), digest(packed.Bytes()): packed.Bytes(),
	}}
}

func (m *miniRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
		return
	}
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	switch {
	case r.URL.Path == "/v2/":
	case strings.HasPrefix(r.URL.Path, "/v2/test/manifests/") && (name == "latest" || name == digest(m.manifest)):
		w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
		w.Header().Set("Docker-Content-Digest", digest(m.manifest))
		_, _ = w.Write(m.manifest)
	case m.blobs[name] != nil:
		_, _ = w.Write(m.blobs[name])
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)
	}
}

func TestPull(t *testing.T) {
	cli := scratch.Engine(t)
	srv := httptest.NewServer(newMiniRegistry(t))
	defer srv.Close()
	addr := strings.TrimPrefix(srv.URL, "http://")
	image := addr + "/test"
	t.Cleanup(func() {
		if err := scratch.Remove(context.Background(), cli, image); err != nil {
			t.Error(err)
		}
	})
	config := filepath.Join(t.TempDir(), "config.json")
	d := open(t, Options{ConfigFile: config})
	app := imageApp(program.Program{})
	app.Args, app.Container.Docker.Image = nil, image
	try := func() string {
		t.Helper()
		err := d.Start(t.Context(), specOf(t, app))
		if err == nil {
			t.Fatal("an image with nothing in it was started")
		}
		return err.Error()
	}

	if got := try(); !strings.Contains(got, "authentication required") || !strings.Contains(got, "no credentials for "+addr) {
		t.Errorf("without credentials: %s", got)
	}
	login(t, config, addr, "wrong")
	if got := try(); !strings.Contains(got, "authentication required") || !strings.Contains(got, "were refused") {
		t.Errorf("with wrong credentials: %s", got)
	}
	if err := os.WriteFile(config, []byte(`{"credsStore":"test"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	helper(t, "test", `echo '{"Username":"me","Secret":"wrong"}'`)
	if got := try(); !strings.Contains(got, "authentication required") || !strings.Contains(got, "were refused") {
		t.Errorf("with a helper's wrong credentials: %s", got)
	}
	helper(t, "test", `read -r server; test "$server" = "`+addr+`" && echo '{"Username":"me","Secret":"secret"}'`)
	watch, err := d.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := try(); !strings.Contains(got, "not found in the image") {
		t.Errorf("with a helper's credentials: %s", got)
	}
	if st := <-watch; st.State != api.TaskStaging || st.Message != "pulling image "+image {
		t.Errorf("progress: %+v", st)
	}
	// The image is there now and is used as it is, unless the app insists.
	srv.Close()
	if got := try(); !strings.Contains(got, "not found in the image") {
		t.Errorf("second start: %s", got)
	}
	app.Container.Docker.ForcePullImage = true
	if got := try(); !strings.Contains(got, "pull image "+image) {
		t.Errorf("forced pull from a registry that is gone: %s", got)
	}
}

func login(t *testing.T, config, addr, password string) {
	t.Helper()
	text := fmt.Sprintf(`{"auths":{%q:{"username":"me","password":%q}}}`, addr, password)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
