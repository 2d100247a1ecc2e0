// Package program is the language of test tasks: a Program says what a task does, Args and Parse carry it over a command
// line, and Main (run.go) does it. The fake driver acts it out without a process, so one suite fits every driver.
package program

import (
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Program is what a task does: print, tick, and then end or run until it is told to stop.
type Program struct {
	Stdout, Stderr string        // printed first, each with a newline, unless empty
	Lines          int           // then so many lines "line 1", "line 2", … on stdout
	Ticks          int           // then so many lines "tick 1", … on stdout, TickEvery apart
	TickEvery      time.Duration //
	Stray          bool          // start a process in a session of its own that ignores SIGTERM, and print its pid
	Bare           bool          // the stray has no environment either
	Alloc          int           // then use so many MiB of memory
	Run            bool          // then wait until stopped
	Exit           int           // otherwise end with this code
	Crash          bool          // or by SIGKILL

	IgnoreTerm bool          // SIGTERM changes nothing
	Drain      time.Duration // SIGTERM prints "draining", and after this long "drained", and exit code 0
}

// flags binds p to a flag set; one table serves both directions.
func (p *Program) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("task", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&p.Stdout, "stdout", p.Stdout, "")
	fs.StringVar(&p.Stderr, "stderr", p.Stderr, "")
	fs.IntVar(&p.Lines, "lines", p.Lines, "")
	fs.IntVar(&p.Ticks, "ticks", p.Ticks, "")
	fs.DurationVar(&p.TickEvery, "tick-every", p.TickEvery, "")
	fs.BoolVar(&p.Stray, "stray", p.Stray, "")
	fs.BoolVar(&p.Bare, "bare", p.Bare, "")
	fs.IntVar(&p.Alloc, "alloc", p.Alloc, "")
	fs.BoolVar(&p.Run, "run", p.Run, "")
	fs.IntVar(&p.Exit, "exit", p.Exit, "")
	fs.BoolVar(&p.Crash, "crash", p.Crash, "")
	fs.BoolVar(&p.IgnoreTerm, "ignore-term", p.IgnoreTerm, "")
	fs.DurationVar(&p.Drain, "drain", p.Drain, "")
	return fs
}

// Args returns the arguments that Parse reads back as p.
func (p Program) Args() []string {
	var args []string
	p.flags().VisitAll(func(f *flag.Flag) { args = append(args, "-"+f.Name+"="+f.Value.String()) })
	return args
}

// Parse reads the arguments of a program.
func Parse(args []string) (Program, error) {
	var p Program
	fs := p.flags()
	if err := fs.Parse(args); err != nil {
		return p, fmt.Errorf("parse program: %w", err)
	}
	if fs.NArg() > 0 {
		return p, fmt.Errorf("parse program: unexpected argument %s", strconv.Quote(fs.Arg(0)))
	}
	return p, nil
}
