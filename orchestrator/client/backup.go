package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"berth/orchestrator/api"
)

// Backup is what was received of a state.
type Backup struct {
	Index uint64 // the revision it shows
	Size  int64  // bytes
}

// Backup writes the orchestrator's state, as it is at one revision, to w (Berth only). An error means that what was
// written is not all of it: size and digest are compared with what the server said.
func (c *Client) Backup(ctx context.Context, w io.Writer) (Backup, error) {
	rq := request{method: http.MethodGet, path: "/v1/backup", accept: "application/octet-stream"}
	resp, err := c.openAny(ctx, rq)
	if err != nil {
		return Backup{}, err
	}
	defer resp.Body.Close()
	want := resp.Header.Get(api.ChecksumHeader)
	if want == "" {
		return Backup{}, fmt.Errorf("the answer has no header %s: it is not a backup", api.ChecksumHeader)
	}
	sum := sha256.New()
	b := Backup{}
	if b.Size, err = io.Copy(io.MultiWriter(w, sum), resp.Body); err != nil {
		return b, fmt.Errorf("after %d bytes: %w", b.Size, err)
	}
	if got := "sha256=" + hex.EncodeToString(sum.Sum(nil)); got != want {
		return b, fmt.Errorf("the backup was damaged on its way: %d bytes with %s, expected %s", b.Size, got, want)
	}
	b.Index, err = strconv.ParseUint(resp.Header.Get(api.IndexHeader), 10, 64)
	return b, err
}
