package orchestratord

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth/cmd/internal/cli"
)

// EnvPrefix begins the environment variable of every flag: ORCHESTRATOR_LISTEN.
const EnvPrefix = "ORCHESTRATOR"

// Command returns the program's command line.
func Command() *cobra.Command {
	c := DefaultConfig()
	var file string
	cmd := &cobra.Command{
		Use:   "orchestrator",
		Short: "Run apps on Docker or as processes, behind Marathon's API",
		Long: "orchestrator keeps apps running: as Docker containers or plain processes, with health checks, service ports\n" +
			"and rolling changes. Clients of Marathon talk to it unchanged. Every flag can also be given as an environment\n" +
			"variable, ORCHESTRATOR_LISTEN for --listen, or in the file of --config.",
		Example: "  orchestrator --data /var/lib/berth\n" +
			"  orchestrator --listen :8080 --agent-ip 10.0.0.5 --credentials-file /etc/berth/users \\\n" +
			"      --tls-cert /etc/berth/api.pem --tls-key /etc/berth/api.key --audit-log /var/log/berth/audit.log",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usagef("argument %q: expected flags only, see --help", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cli.Layer(cmd, EnvPrefix, file); err != nil {
				return err
			}
			cli.OutlivePipe()
			c.Roles, c.Origins = cli.SplitList(c.Roles), cli.SplitList(c.Origins)
			log, err := cli.NewLogger(cmd.ErrOrStderr(), c.LogFormat, c.LogLevel)
			if err != nil {
				return err
			}
			return Run(cmd.Context(), c, Options{Log: log, Stderr: cmd.ErrOrStderr(), AwaitRepair: true})
		},
	}
	AddFlags(cmd.Flags(), &c)
	cmd.AddCommand(restoreCommand())
	cmd.Flags().StringVar(&file, "config", "", "JSON `file` with flag names as keys; the environment and flags win")
	return cmd
}

// AddFlags binds the daemon's flags to c, whose values are the defaults. Marathon's spelling with underscores works too,
// --local_port_min.
func AddFlags(f *pflag.FlagSet, c *Config) {
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	f.SortFlags = false
	f.StringVar(&c.Listen, "listen", c.Listen, "`address` of the API; port 0 takes a free one")
	f.StringVar(&c.Data, "data", c.Data, "`directory` of the state and the sandboxes; made if it is missing")
	f.StringVar(&c.Driver, "driver", c.Driver, "what runs tasks: auto, docker or process; auto takes Docker if it answers")

	f.StringVar(&c.Cluster, "cluster", c.Cluster, "`name` that marks this daemon's tasks; daemons that share a Docker engine\n"+
		"need different ones (default: drawn at random and kept in the data directory)")
	f.StringVar(&c.DockerHost, "docker-host", c.DockerHost, "`address` of the engine (default: DOCKER_HOST or the\n"+
		"local socket)")
	f.StringVar(&c.EngineData, "engine-data", c.EngineData, "`path` at which the engine's host sees the data directory, when\n"+
		"the orchestrator itself runs in a container")
	f.BoolVar(&c.ForbidPrivileged, "forbid-privileged", c.ForbidPrivileged, "refuse privileged containers")
	f.StringSliceVar(&c.DNS, "dns", c.DNS, "`IP` of the name servers that containers ask, on port 53, as dnsd's; at most 3. An app's\n"+
		"own docker parameter dns comes first (default: the engine's choice)")

	f.StringVar(&c.AgentIP, "agent-ip", c.AgentIP, "`address` at which host ports are reached")
	f.StringVar(&c.AgentHost, "agent-host", c.AgentHost, "`name` that tasks are listed under; it must resolve where the\n"+
		"balancers run (default: the agent's address)")
	f.StringVar(&c.Ports, "ports", c.Ports, "`ranges` of ports that an app may ask for by number")
	f.StringVar(&c.DynamicPorts, "dynamic-ports", c.DynamicPorts, "`ranges` from which host port 0 is chosen")
	f.Float64Var(&c.CPUs, "cpus", c.CPUs, "CPUs to hand out; 0 means all")
	f.Float64Var(&c.Mem, "mem", c.Mem, "memory to hand out in `MiB`; 0 means all but a reserve")
	f.Float64Var(&c.Disk, "disk", c.Disk, "disk to hand out in `MiB`; 0 means what is free but a reserve")
	f.StringVar(&c.Attributes, "attributes", c.Attributes, "attributes for constraints, `key:value;key:value`")
	f.StringSliceVar(&c.Roles, "roles", c.Roles, "`roles` the agent takes apps of")

	f.IntVar(&c.LocalPortMin, "local-port-min", c.LocalPortMin, "lowest service `port` to assign")
	f.IntVar(&c.LocalPortMax, "local-port-max", c.LocalPortMax, "highest service `port` to assign")
	f.Float64Var(&c.DrainSeconds, "drain-seconds", c.DrainSeconds, "longest wait in `seconds` of a stopping task for the\n"+
		"balancers; the label BERTH_DRAIN_SECONDS says otherwise per app")
	f.DurationVar(&c.TaskRetention, "task-retention", c.TaskRetention, "`time` for which the logs of ended tasks are kept")

	f.StringArrayVar(&c.Credentials, "credentials", c.Credentials, "`user:password` that opens the API, repeatable; \"read \" in\n"+
		"front lets it only look. Others on this machine can read flags, so prefer the environment or the file")
	f.StringVar(&c.CredentialsFile, "credentials-file", c.CredentialsFile, "`file` with such lines; read anew when it changes")
	f.StringVar(&c.TokenFile, "token-file", c.TokenFile, "`file` with bearer tokens, one a line, or role, name and token; read\n"+
		"anew when it changes")
	f.StringVar(&c.TLSCert, "tls-cert", c.TLSCert, "PEM `file` of the API's certificate, and those up to its authority; read anew\n"+
		"when it changes (default: plain HTTP)")
	f.StringVar(&c.TLSKey, "tls-key", c.TLSKey, "PEM `file` of its key (default: the certificate's file)")
	f.StringVar(&c.TLSClientCA, "tls-client-ca", c.TLSClientCA, "PEM `file` of authorities; clients need a certificate of one")
	f.StringSliceVar(&c.Origins, "cors-origins", c.Origins, "`origins` of web pages that may use the API")

	f.BoolVar(&c.LegacyFields, "legacy-fields", c.LegacyFields, "show ports and uris of apps too, as Marathon before 1.5; for zdd.py")
	f.Int64Var(&c.MaxBody, "max-body", c.MaxBody, "largest request body in `bytes`")
	f.IntVar(&c.MaxRequests, "max-requests", c.MaxRequests, "requests under way at the same time, streams aside; more get 503")
	f.IntVar(&c.MaxConnections, "max-connections", c.MaxConnections, "open connections; more wait to be accepted")

	f.StringVar(&c.AuditLog, "audit-log", c.AuditLog, "`file` that records every change and every refusal as JSON lines: who,\n"+
		"what, when, from where, with what result; - is stderr")
	f.IntVar(&c.AuditLogSize, "audit-log-size", c.AuditLogSize, "`MiB` at which it becomes an older part, file.1 and so on")
	f.IntVar(&c.AuditLogKeep, "audit-log-keep", c.AuditLogKeep, "older parts that are kept")

	f.StringVar(&c.LogLevel, "log-level", c.LogLevel, "debug, info, warn or error")
	f.StringVar(&c.LogFormat, "log-format", c.LogFormat, "text or json")
}
