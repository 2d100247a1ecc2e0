package dnsdd

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
	"berth/dnsd/zone"
	"berth/orchestrator/api"
)

// maxApps bounds a document of apps in bytes.
const maxApps = 256 << 20

func zoneCommand() *cobra.Command {
	c := DefaultConfig()
	var file, name string
	var serial uint32
	cmd := &cobra.Command{
		Use:   "zone --apps FILE|-",
		Short: "Print the zone of a document of apps in master-file format, sorted",
		Long: "zone prints the records of the document that GET /v2/apps?embed=apps.tasks returns, as another name server can load\n" +
			"them. What is wrong with apps is told on stderr.",
		Args: cobra.NoArgs,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&file, "apps", "", "`file` with the apps; - is standard input")
	cmd.Flags().StringVar(&name, "zone", "", "`name` of the zone to print (default: the domain)")
	cmd.Flags().Uint32Var(&serial, "serial", 1, "`serial` of the SOA record")
	cmd.Flags().StringSliceVar(&c.OwnAddress, "own-address", []string{"127.0.0.1"}, "`IP` of the name server")
	AddZoneFlags(cmd.Flags(), &c)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := cli.Layer(cmd, EnvPrefix, ""); err != nil {
			return err
		}
		if file == "" {
			return cli.Usagef("expected --apps")
		}
		c.Marathon = nil // masters are printed only if they are given
		return c.printZone(cmd, file, name, serial)
	}
	return cmd
}

func (c *Config) printZone(cmd *cobra.Command, file, name string, serial uint32) error {
	o, err := c.zoneOptions()
	if err != nil {
		return err
	}
	names := newHosts()
	defer names.close()
	o.Resolve = names.lookup
	doc, err := readApps(file, cmd.InOrStdin())
	if err != nil {
		return err
	}
	apps, problems, err := parseApps(doc)
	if err != nil {
		return err
	}
	for _, p := range problems {
		fmt.Fprintln(cmd.ErrOrStderr(), p)
	}
	b := zone.NewBuilder(o)
	own, err := c.ownAddresses(nil)
	if err != nil {
		return err
	}
	b.SetInfra(c.infra(own))
	static, err := c.static()
	if err != nil {
		return err
	}
	b.SetStatic(static)
	z := b.Update(apps, serial)
	for _, p := range b.Problems() {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s %v: %s\n", p.Name, p.Apps, p.Reason)
	}
	if name == "" {
		name = o.Domain
	}
	n, err := z.WriteZone(cmd.OutOrStdout(), name)
	if err == nil && n == 0 {
		return cli.Usagef("--zone %q: expected one of our zones", name)
	}
	return err
}

// infra is what the configuration says of the cluster.
func (c *Config) infra(own []netip.Addr) zone.Infra {
	return zone.Infra{Masters: c.masters(), Own: own}
}

func readApps(name string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("--apps: %w", err)
		}
		defer f.Close()
		in = f
	}
	doc, err := io.ReadAll(io.LimitReader(in, maxApps+1))
	if err != nil {
		return nil, fmt.Errorf("read apps: %w", err)
	}
	if len(doc) > maxApps {
		return nil, fmt.Errorf("read apps: more than %d bytes", maxApps)
	}
	return doc, nil
}

// parseApps reads apps one by one, so that one that cannot be read costs only itself.
func parseApps(doc []byte) (apps []*api.AppInfo, problems []string, err error) {
	var v struct {
		Apps *[]json.RawMessage `json:"apps"`
	}
	if err := json.Unmarshal(doc, &v); err != nil {
		return nil, nil, fmt.Errorf("read apps: %w", err)
	}
	if v.Apps == nil {
		return nil, nil, fmt.Errorf(`read apps: expected an object with "apps", as GET /v2/apps?embed=apps.tasks returns it`)
	}
	for i, raw := range *v.Apps {
		a, err := api.DecodeAppInfo(raw)
		if err != nil {
			problems = append(problems, fmt.Sprintf("apps(%d): %v", i, err))
			continue
		}
		apps = append(apps, a)
	}
	return apps, problems, nil
}
