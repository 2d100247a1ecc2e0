package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sync"
)

// maxLogLine is where a line without an end is broken.
const maxLogLine = 64 << 10

// logReader merges the output of an app's tasks, line by line.
type logReader struct {
	r     *remote
	flags logFlags
	app   string
	only  string // a task's id, or the beginning of its short id

	seen map[string]bool
	wg   sync.WaitGroup

	mu  sync.Mutex // guards the output and err
	err error
}

func newLogReader(r *remote, f logFlags, app string) *logReader {
	return &logReader{r: r, flags: f, app: app, seen: map[string]bool{}}
}

// copy prints one stream of one task until it ends.
func (l *logReader) copy(ctx context.Context, task, stream string) {
	body, err := l.r.c.Logs(ctx, task, l.options(stream))
	if err != nil {
		l.fail(ctx, explain(fmt.Sprintf("logs of %s, %s", task, stream), err))
		return
	}
	defer body.Close()
	prefix := shortTask(task) + " "
	if l.flags.stream == "both" {
		prefix += stream[3:] + " "
	}
	lines := bufio.NewReaderSize(body, maxLogLine)
	for {
		line, _, err := lines.ReadLine()
		if err != nil {
			return
		}
		l.print(prefix, line)
	}
}

func (l *logReader) print(prefix string, line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.r.out, "%s%s\n", prefix, line)
}

func (l *logReader) fail(ctx context.Context, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flags.follow {
		l.r.say("berth: %v", err)
	} else if l.err == nil {
		l.err = err
	}
}

func (l *logReader) firstError() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
