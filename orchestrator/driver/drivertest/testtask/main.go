// Command testtask is the static binary that the drivers' tests run as a task.
package main

import (
	"os"

	"berth/orchestrator/driver/drivertest/program"
)

func main() { os.Exit(program.Main(os.Args, os.Stdout, os.Stderr)) }
