package haproxy

import (
	"encoding/json"
	"fmt"
	"os"

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
