package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"berth/orchestrator/api"
)

// backup is GET /v1/backup (Berth only): the state file as it is at one revision. The header X-Berth-Checksum lets the
// client see that it has got all of it.
func (s *Server) backup(w http.ResponseWriter, c *call) error {
	select {
	case s.backups <- struct{}{}:
		defer func() { <-s.backups }()
	default:
		return overloaded("another backup is under way")
	}
	f, index, err := s.backend.Backup()
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="berth-%d.db"`, index))
	h.Set(api.IndexHeader, strconv.FormatUint(index, 10))
	h.Set(api.ChecksumHeader, "sha256="+hex.EncodeToString(sum.Sum(nil)))
	w.WriteHeader(http.StatusOK)
	c.detail = fmt.Sprintf("revision %d, %d bytes", index, size)
	if c.Method == http.MethodHead {
		return nil
	}
	if err := s.copyOut(w, f); err != nil {
		c.detail += ", not sent to its end"
		s.log.Warn("backup not sent to its end", "remote", c.RemoteAddr, "error", err)
	}
	return nil
}
