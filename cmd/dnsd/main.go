// Command dnsd answers DNS queries for the apps of an orchestrator or a Marathon. See README.md.
package main

import (
	"berth/cmd/internal/cli"
	"berth/cmd/internal/dnsdd"
)

func main() { cli.Main(dnsdd.Command()) }
