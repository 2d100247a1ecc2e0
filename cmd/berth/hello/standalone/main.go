// Command standalone is "berth hello" alone: a small static binary for images made of nothing else.
package main

import (
	"berth/cmd/berth/hello"
	"berth/cmd/internal/cli"
)

func main() { cli.Main(hello.Command()) }
