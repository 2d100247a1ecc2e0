// Command mlb keeps a HAProxy in step with the apps of an orchestrator or a Marathon. See README.md.
package main

import (
	"berth/cmd/internal/cli"
	"berth/cmd/internal/mlbd"
)

func main() { cli.Main(mlbd.Command()) }
