package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"berth/cmd/internal/cli"
)

func newAppUpdate() *cobra.Command {
	var w writeFlags
	var replace bool
	cmd := &cobra.Command{
		Use:   "update ID [KEY=VALUE... | FILE | -]",
		Short: "change fields of an app",
		Long: `Changes the given fields of an app and leaves the others. Each field is replaced whole: labels=… replaces all labels.

A VALUE is read as JSON if it is JSON, else as text; fields that are text in Marathon's format are always text. Without
KEY=VALUE the changes are a JSON object read from FILE or stdin.`,
		Example: `  berth app update web instances=3 mem=64
  berth app update web 'env={"LEVEL":"debug"}' --wait
  berth app show web -o json | jq '{labels}' | berth app update web`,
		Args:              argsBetween(1, -1),
		ValidArgsFunction: completeApps,
		RunE: withRemote(func(r *remote, args []string) error {
			data, err := updateDocument(r.cmd.InOrStdin(), args[1:])
			if err != nil {
				return err
			}
			return r.update(absolute(args[0]), data, replace, &w)
		}),
	}
	w.add(cmd)
	cmd.Flags().BoolVar(&replace, "replace", false, "the document is the whole app: fields it lacks go to their defaults")
	return cmd
}

func (r *remote) update(id string, data []byte, replace bool, w *writeFlags) error {
	send, opt := r.c.PatchApp, w.options()
	if replace {
		send, opt.Replace = r.c.PutApp, true
	}
	res, err := send(r.ctx, id, data, opt)
	if err != nil {
		return explain("update "+id, err)
	}
	return r.finish(id, "updated", res, w)
}

// updateDocument makes the JSON object of an update: from pairs, from one file, or from stdin.
func updateDocument(stdin io.Reader, args []string) ([]byte, error) {
	if len(args) > 0 && strings.Contains(args[0], "=") {
		return pairs(args)
	}
	file := "-"
	switch {
	case len(args) > 1:
		return nil, cli.Usagef("update: %q: expected KEY=VALUE, or a single FILE", args[1])
	case len(args) == 1:
		file = args[0]
	case isTerminal(stdin):
		return nil, cli.Usagef("update: expected KEY=VALUE, FILE, or a JSON object on stdin")
	}
	docs, err := readDocuments(stdin, []string{file})
	if err != nil {
		return nil, err
	}
	if len(docs) != 1 || docs[0].data[0] != '{' {
		return nil, cli.Usagef("update: %s: expected one JSON object", file)
	}
	return docs[0].data, nil
}

// textFields are those whose value is a string in Marathon's format, so that cmd=1 is not a number.
var textFields = []string{"id", "cmd", "user", "executor", "killSelection", "role"}

func pairs(args []string) ([]byte, error) {
	doc := map[string]json.RawMessage{}
	for _, a := range args {
		key, val, ok := strings.Cut(a, "=")
		if !ok || key == "" {
			return nil, cli.Usagef("update: %q: expected KEY=VALUE", a)
		}
		if _, twice := doc[key]; twice {
			return nil, cli.Usagef("update: %s is given twice", key)
		}
		doc[key] = json.RawMessage(val)
		if slices.Contains(textFields, key) || !json.Valid(doc[key]) {
			text, err := json.Marshal(val)
			if err != nil {
				return nil, fmt.Errorf("update: %s: %w", key, err)
			}
			doc[key] = text
		}
	}
	return json.Marshal(doc)
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
