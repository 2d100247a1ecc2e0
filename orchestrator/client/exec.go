package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"berth/orchestrator/execstream"
)

// ExecOptions describe a command to run in a task.
type ExecOptions struct {
	Command        []string
	Stdin          io.Reader // nil: the command reads nothing
	Stdout, Stderr io.Writer // with a terminal everything goes to Stdout
	TTY            bool
	Width, Height  int                    // of the terminal, 0: not known
	Resize         <-chan execstream.Size // later sizes; nil: none
}

// Exec runs a command in a task and returns its exit code (Berth only). It returns when the command has ended and all of
// its output was written; a Read of Stdin may still be waiting then.
func (c *Client) Exec(ctx context.Context, taskID string, opt ExecOptions) (int, error) {
	q := url.Values{"cmd": opt.Command}
	for name, set := range map[string]bool{"stdin": opt.Stdin != nil, "tty": opt.TTY} {
		if set {
			q.Set(name, "true")
		}
	}
	if opt.TTY && opt.Width > 0 && opt.Height > 0 {
		q.Set("width", strconv.Itoa(opt.Width))
		q.Set("height", strconv.Itoa(opt.Height))
	}
	ctx, cancel := context.WithCancel(ctx)
	var resizes sync.WaitGroup
	defer resizes.Wait()
	defer cancel()
	resp, err := c.openAny(ctx, request{
		method: http.MethodPost, path: "/v2/tasks/" + taskID + "/exec", query: q, upgrade: execstream.Protocol,
	})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	stop := context.AfterFunc(ctx, func() { resp.Body.Close() }) // a connection that was taken over knows no context
	defer stop()
	conn, ok := resp.Body.(*openBody).ReadCloser.(io.ReadWriter)
	if !ok || resp.StatusCode != http.StatusSwitchingProtocols {
		return 0, fmt.Errorf("the server does not let commands run in tasks (status %d)", resp.StatusCode)
	}
	out := execstream.NewWriter(conn)
	if opt.Stdin != nil {
		go func() { // it ends with its reader, which may be a terminal nobody types at any more
			if _, err := out.Copy(execstream.Stdin, opt.Stdin); err == nil {
				_ = out.Send(execstream.Stdin, nil)
			}
		}()
	}
	resizes.Go(func() {
		for {
			select {
			case size := <-opt.Resize:
				_ = out.SendJSON(execstream.Resize, size)
			case <-ctx.Done():
				return
			}
		}
	})
	code, err := receive(conn, opt)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return code, err
}

// receive writes the command's output until it has ended.
func receive(conn io.Reader, opt ExecOptions) (int, error) {
	for {
		kind, p, err := execstream.Read(conn)
		switch {
		case err != nil:
			return 0, fmt.Errorf("the connection ended before the command: %w", err)
		case kind == execstream.Stdout:
			_, err = opt.Stdout.Write(p)
		case kind == execstream.Stderr:
			_, err = opt.Stderr.Write(p)
		case kind == execstream.Exit:
			var res execstream.Result
			if err := json.Unmarshal(p, &res); err != nil {
				return 0, fmt.Errorf("decode how the command ended: %w", err)
			}
			if res.Error != "" {
				return 0, errors.New(res.Error)
			}
			return res.ExitCode, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
