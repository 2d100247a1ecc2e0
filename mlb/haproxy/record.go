package haproxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/google/renameio/v2"
)

// record is what mlb notes about the HAProxy it runs, for the mlb that comes after it. Without it, or when it does not fit
// what is found, nothing is lost but a reload.
type record struct {
	Master  int    `json:"master"` // pid
	Started uint64 `json:"started"`
	Worker  int    `json:"worker"` // pid of the current worker
	// Loaded is the marker the worker shows. Current is the hash of the files in place, which it embodies, be it after
	// Runtime API commands.
	Loaded  string `json:"loaded"`
	Current string `json:"current"`
}

func (p Paths) writeRecord(r record) error {
	data, err := json.Marshal(r)
	if err == nil {
		err = renameio.WriteFile(p.Record, append(data, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("note the running haproxy: %w", err)
	}
	return nil
}

// readRecord returns the zero record when there is none or it is damaged.
func (p Paths) readRecord() record {
	var r record
	data, err := os.ReadFile(p.Record)
	if err != nil || json.Unmarshal(data, &r) != nil {
		return record{}
	}
	return r
}

// doubt notes that HAProxy is about to be changed in a way that the files on disk do not say. The mlb that comes after this
// one then believes no record. It is not synced to disk: a machine that goes down takes HAProxy with it. Where no file can be
// made, because the disk is full, the record is taken away instead. A disk that has become read-only takes neither, but no
// other mlb starts on it either, and dead tasks must not stay in service because of it.
func (p Paths) doubt() error {
	f, err := os.OpenFile(p.Doubt, os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err == nil || errors.Is(err, syscall.EROFS) {
		return nil
	}
	if gone := os.Remove(p.Record); gone == nil || errors.Is(gone, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("note a change of haproxy: %w", err)
}

// settled takes the doubt back: files and HAProxy agree.
func (p Paths) settled() error {
	if err := os.Remove(p.Doubt); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("note the running haproxy: %w", err)
	}
	return nil
}

func (p Paths) doubted() bool {
	_, err := os.Lstat(p.Doubt)
	return err == nil
}
