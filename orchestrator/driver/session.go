package driver

import (
	"context"
	"io"
)

// Interactive is a Driver that runs commands inside tasks with their streams open.
type Interactive interface {
	// Open starts a command. ErrNotFound says that there is no such task.
	Open(ctx context.Context, taskID string, opt SessionOptions) (Session, error)
}

// SessionOptions describe a command to run inside a task.
type SessionOptions struct {
	Command       []string // program, looked for in the task's PATH, and arguments
	Stdin         bool     // without it, the command reads nothing
	TTY           bool     // a terminal: stdout and stderr are one
	Width, Height int      // of the terminal, in characters; 0: not known
}

// Session is a command that runs inside a task. Both outputs have to be read to their ends.
type Session interface {
	io.Writer          // to the command's stdin
	CloseWrite() error // ends its stdin
	Stdout() io.Reader
	Stderr() io.Reader // empty with a terminal
	Resize(ctx context.Context, width, height int) error
	// Wait returns the exit code, 128 + n for an end by signal n. Call it when both outputs have ended.
	Wait(ctx context.Context) (int, error)
	// Close gives the session up. A process is killed; in a container the command sees the end of its stdin, and its
	// terminal's, and goes on if it does not care: engines have no way to end it.
	Close() error
}
