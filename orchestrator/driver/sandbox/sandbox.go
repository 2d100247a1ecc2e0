// Package sandbox makes the directory a task works in and fills it with what the app asks to be fetched. The process
// driver starts the command there; the docker driver mounts it at /mnt/mesos/sandbox. It never writes outside the
// directory it is given, whatever an archive says.
package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// MountPath is where a container sees its sandbox (marathon-api.md section 6).
const MountPath = "/mnt/mesos/sandbox"

// maxName keeps directory names well under the 255 bytes of Linux: an app's id alone may have 512 characters.
const maxName = 160

// Name returns the directory name of a task: its id, unless that is too long or holds anything but letters, digits and
// "._-"; then a readable beginning with a hash. Different ids have different names.
func Name(taskID string) string {
	clean := strings.Map(func(r rune) rune {
		if r == '.' || r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, taskID)
	if clean == taskID && len(clean) <= maxName && clean != "" && !strings.HasPrefix(clean, ".") {
		return clean
	}
	sum := sha256.Sum256([]byte(taskID))
	return "task-" + clean[:min(len(clean), 60)] + "-" + hex.EncodeToString(sum[:12])
}

// Chown gives everything in dir to uid and gid. Links are changed themselves, never followed.
func Chown(dir string, uid, gid int) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
}

// Local cleans a path that is to lie inside a sandbox, and refuses one that is absolute or leaves it.
func Local(path string) (string, error) {
	clean := filepath.Clean(filepath.FromSlash(path))
	if path == "" || !filepath.IsLocal(clean) {
		return "", fmt.Errorf("path %q: expected a relative path inside the sandbox", path)
	}
	return clean, nil
}

// errTooLarge is wrapped with the limit by whoever reads.
var errTooLarge = errors.New("larger than allowed")
