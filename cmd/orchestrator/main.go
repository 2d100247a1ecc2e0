// Command orchestrator runs apps on Docker or as processes behind Marathon's API. See README.md.
package main

import (
	"berth/cmd/internal/cli"
	"berth/cmd/internal/orchestratord"
)

func main() { cli.Main(orchestratord.Command()) }
