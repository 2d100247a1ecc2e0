// Command vip makes the virtual addresses of apps work on this node. See README.md.
package main

import (
	"berth/cmd/internal/cli"
	"berth/cmd/internal/vipd"
)

func main() { cli.Main(vipd.Command()) }
