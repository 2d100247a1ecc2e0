package dev

import (
	"errors"
	"os"
	"os/exec"
	"strings"
)

// sbin are the directories of daemons, which not every user has on the PATH.
const sbin = "/usr/local/sbin:/usr/sbin:/sbin"

// findHAProxy makes sure that haproxy will be found, by us and by what we start.
func findHAProxy() error {
	if path := os.Getenv("PATH"); !strings.Contains(path, "/usr/sbin") {
		if err := os.Setenv("PATH", path+":"+sbin); err != nil {
			return err
		}
	}
	if _, err := exec.LookPath("haproxy"); err != nil {
		return errors.New("haproxy is not installed; on Debian and Ubuntu:  sudo apt-get install haproxy")
	}
	return nil
}
