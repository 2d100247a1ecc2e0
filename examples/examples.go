// Package examples carries the apps of the demonstration, so that the berth program can show them wherever it is run.
package examples

import "embed"

// Files holds process/test1.json to test6.json and the same for docker.
//
//go:embed process/*.json docker/*.json
var Files embed.FS
