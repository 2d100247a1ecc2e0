package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Layer completes the flags of cmd that were not given on the command line: first from the environment, PREFIX_FLAG_NAME,
// then from the JSON object in file (flag names as keys; strings, numbers, booleans or lists of them), if file is not
// empty. A key that is not a flag is an error, so that a typo does not pass silently. Call it at the start of RunE.
func Layer(cmd *cobra.Command, prefix, file string) error {
	values, err := readConfig(file)
	if err != nil {
		return err
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		fromFile, inFile := values[f.Name]
		delete(values, f.Name)
		if err != nil || f.Changed || f.Name == "help" || f.Name == "config" {
			return
		}
		env := EnvName(prefix, f.Name)
		if v, ok := os.LookupEnv(env); ok {
			err = set(cmd, f, []string{v}, "environment variable "+env)
		} else if inFile {
			err = set(cmd, f, fromFile, "key "+f.Name+" of "+file)
		}
	})
	if err != nil {
		return err
	}
	for name := range values {
		return Usagef("config file %s: unknown key %q", file, name)
	}
	return nil
}

// EnvName is the environment variable of a flag: PREFIX_FLAG_NAME.
func EnvName(prefix, flag string) string {
	return prefix + "_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func set(cmd *cobra.Command, f *pflag.Flag, values []string, from string) error {
	for _, v := range values {
		if err := cmd.Flags().Set(f.Name, v); err != nil {
			return Usagef("%s: %v", from, err)
		}
	}
	return nil
}

func readConfig(file string) (map[string][]string, error) {
	out := map[string][]string{}
	if file == "" {
		return out, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, UsageError{fmt.Errorf("config file: %w", err)}
	}
	var doc map[string]any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil, Usagef("config file %s: expected a JSON object of flag names and values: %v", file, err)
	}
	for k, v := range doc {
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, e := range list {
			switch e.(type) {
			case string, bool, json.Number:
				out[k] = append(out[k], fmt.Sprint(e))
			default:
				return nil, Usagef("config file %s: key %q: expected a string, number, boolean or a list of them", file, k)
			}
		}
	}
	return out, nil
}

// SplitList splits comma-separated values, trims blanks, and drops empty ones and repeats.
func SplitList(values []string) []string {
	var out []string
	for _, v := range values {
		for _, e := range strings.Split(v, ",") {
			if e = strings.TrimSpace(e); e != "" && !slices.Contains(out, e) {
				out = append(out, e)
			}
		}
	}
	return out
}
