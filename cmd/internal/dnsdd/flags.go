package dnsdd

import (
	"github.com/spf13/pflag"
)

// AddFlags binds the daemon's flags to c, whose values are the defaults.
func AddFlags(f *pflag.FlagSet, c *Config) {
	f.SortFlags = false
	sourceFlags(f, c)
	addressFlags(f, c)
	AddZoneFlags(f, c)
	answerFlags(f, c)
	forwardFlags(f, c)
	f.StringVar(&c.StateDir, "state-dir", c.StateDir, "`directory` that keeps what was last known, for a start without a source;\n"+
		"empty keeps nothing")
	f.BoolVar(&c.Enumeration, "enumeration", c.Enumeration, "list all records under /v1/enumerate, /v1/axfr and /v1/records")
	f.StringVar(&c.LogLevel, "log-level", c.LogLevel, "`level`: debug, info, warn or error")
	f.StringVar(&c.LogFormat, "log-format", c.LogFormat, "`format`: text or json")
}

func sourceFlags(f *pflag.FlagSet, c *Config) {
	f.StringSliceVarP(&c.Marathon, "marathon", "m", c.Marathon, "`URL` of the orchestrator or Marathon; several are members of\n"+
		"one cluster")
	f.StringArrayVar(&c.Also, "also", c.Also, "`name=URL,URL` of another orchestrator or Marathon, whose apps are served as\n"+
		"APP.name.DOMAIN; its credentials are in the URL; repeatable")
	f.StringVar(&c.Credentials, "auth-credentials", c.Credentials, "`user:password`; others on this machine can read flags, so\n"+
		"prefer the environment or the file")
	f.StringVar(&c.CredentialsFile, "marathon-auth-credential-file", c.CredentialsFile, "`file` whose first line is user:password")
	f.StringVar(&c.DCOSCredentials, "dcos-auth-credentials", c.DCOSCredentials, "`JSON` of a DC/OS service account")
	f.StringVar(&c.CACert, "marathon-ca-cert", c.CACert, "PEM `file` to verify the server with, instead of the system's")
	f.StringVar(&c.TokenFile, "marathon-token-file", c.TokenFile, "`file` whose first line is a bearer token; a new one counts\n"+
		"at once")
	f.StringVar(&c.ClientCert, "marathon-client-cert", c.ClientCert, "PEM `file` of a certificate to show the server")
	f.StringVar(&c.ClientKey, "marathon-client-key", c.ClientKey, "PEM `file` of its key (default: the certificate's file)")
	f.BoolVar(&c.Insecure, "marathon-insecure", c.Insecure, "do not verify the server's certificate")
	f.DurationVar(&c.Quiet, "quiet", c.Quiet, "act after this `time` without an event")
	f.DurationVar(&c.Ceiling, "ceiling", c.Ceiling, "but never later than this `time` after the first one")
	f.DurationVar(&c.Resync, "resync", c.Resync, "`time` after which everything is read anew")
	f.DurationVar(&c.StaleAfter, "stale-after", c.StaleAfter, "`time` without contact after which answers are marked stale")
	f.DurationVar(&c.ExpireAfter, "expire-after", c.ExpireAfter, "`time` without contact after which names of apps get SERVFAIL rather\n"+
		"than old answers; 0 is never")
	f.StringVar(&c.Subscriber, "subscriber", c.Subscriber, "`name` in the drain handshake; it must differ between name servers\n"+
		"(default: made from host name and listener)")
	f.StringVar(&c.VIP, "vip", c.VIP, "`URL` of this machine's vip, as in http://127.0.0.1:8124: names of virtual addresses are\n"+
		"answered while its rules for them are in force")
}

func addressFlags(f *pflag.FlagSet, c *Config) {
	f.StringSliceVar(&c.Listen, "listen", c.Listen, "`address` for DNS by UDP and TCP, host:port; :port is all addresses; repeatable,\n"+
		"empty is none")
	f.StringVar(&c.HTTP, "http", c.HTTP, "`address` of the HTTP API; empty is none")
	f.StringSliceVar(&c.OwnAddress, "own-address", c.OwnAddress, "`IP` at which others reach this server, for NS and ns1\n"+
		"(default: the listener's, or all of this machine's)")
	f.StringVar(&c.User, "user", c.User, "`user` to become once all ports are bound")
}

// AddZoneFlags binds the flags that say what the zone holds.
func AddZoneFlags(f *pflag.FlagSet, c *Config) {
	f.StringVar(&c.Domain, "domain", c.Domain, "`name` of the main zone")
	f.StringVar(&c.Framework, "framework", c.Framework, "`name` of the orchestrator in names of apps")
	f.StringSliceVar(&c.Masters, "masters", c.Masters, "`host:port` of the orchestrators, for master and leader\n"+
		"(default: those of --marathon)")
	f.Uint32Var(&c.TTL, "ttl", c.TTL, "TTL of apps' records in `seconds`")
	f.Uint32Var(&c.InfraTTL, "infra-ttl", c.InfraTTL, "TTL of all other records in `seconds`")
	f.StringSliceVar(&c.IPSources, "ip-sources", c.IPSources, "where a task's address is taken from, the first `source` that has\n"+
		"any: auto, host, netinfo, mesos, docker")
	f.StringVar(&c.HealthFilter, "health-filter", c.HealthFilter, "tasks that fail their checks: `strict` leaves them out, failopen\n"+
		"unless no other is left, off serves them")
	f.BoolVar(&c.RFC952, "rfc952", c.RFC952, "labels of at most 24 characters that begin with a letter")
	f.BoolVar(&c.SRVTargetCompat, "srv-target-compat", c.SRVTargetCompat, "SRV targets as Mesos-DNS has them, even where their\n"+
		"address does not fit the port")
	f.Uint16Var(&c.SRVWeight, "srv-weight", c.SRVWeight, "`weight` of SRV records")
	f.BoolVar(&c.DCOS, "dcos", c.DCOS, "serve DC/OS' zones below thisdcos.directory too")
	f.BoolVar(&c.PTR, "ptr", c.PTR, "serve names of addresses")
	f.StringSliceVar(&c.Reverse, "reverse", c.Reverse, "`network` whose reverse zone is ours as a whole, as in 10.0.0.0/8; repeatable")
	f.Uint16Var(&c.AgentPort, "agent-port", c.AgentPort, "`port` in _slave._tcp; 0 makes no such record")
	f.StringVar(&c.SOA.Mname, "soa-mname", c.SOA.Mname, "`name` of this server (default: ns1.<domain>)")
	f.StringVar(&c.SOA.Rname, "soa-rname", c.SOA.Rname, "`mailbox` of who is responsible (default: root.ns1.<domain>)")
	f.Uint32Var(&c.SOA.Refresh, "soa-refresh", c.SOA.Refresh, "SOA refresh in `seconds`")
	f.Uint32Var(&c.SOA.Retry, "soa-retry", c.SOA.Retry, "SOA retry in `seconds`")
	f.Uint32Var(&c.SOA.Expire, "soa-expire", c.SOA.Expire, "SOA expire in `seconds`")
	f.Uint32Var(&c.SOA.Minimum, "soa-minimum", c.SOA.Minimum, "how long absence may be remembered, in `seconds`")
	f.StringVar(&c.HostsFile, "hosts-file", c.HostsFile, "`file` in the form of /etc/hosts whose names are served as well")
	f.StringVar(&c.RecordsFile, "records-file", c.RecordsFile, "`file` of records to be served as well, one a line:\n"+
		"name [ttl] A|AAAA|CNAME|PTR|SRV data")
}

func answerFlags(f *pflag.FlagSet, c *Config) {
	f.IntVar(&c.MaxUDPSize, "max-udp-size", c.MaxUDPSize, "largest answer by UDP in `bytes`, 512 to 4096")
	f.StringVar(&c.Order, "answer-order", c.Order, "`order` of an answer's records: random, rotate or fixed")
	f.BoolVar(&c.TruncateBit, "truncate-bit", c.TruncateBit, "say so when an answer was cut; false is for clients without TCP")
	f.BoolVar(&c.StripWildcards, "strip-wildcards", c.StripWildcards, "drop .* from names before looking them up, as Mesos-DNS does")
	f.BoolVar(&c.FullAny, "full-any", c.FullAny, "answer ANY by TCP with everything, rather than with one set of records")
	f.IntVar(&c.RateLimit, "rate-limit", c.RateLimit, "`answers` per second by UDP to one network (IPv4 /24, IPv6 /56); 0 is no limit")
	f.StringSliceVar(&c.AllowQuery, "allow-query", c.AllowQuery, "`networks` that may ask; empty is everybody. Networks are as in\n"+
		"10.0.0.0/8; private, loopback, all and none are names for some")
	f.StringSliceVar(&c.AllowRecursion, "allow-recursion", c.AllowRecursion, "`networks` that may ask for names that are not ours")
	f.StringSliceVar(&c.AllowTransfer, "allow-transfer", c.AllowTransfer, "`networks` that may transfer zones")
	f.StringSliceVar(&c.Notify, "notify", c.Notify, "`IP` or IP:port of secondaries that are told of changes of the main zone")
	f.IntVar(&c.MaxTCP, "max-tcp", c.MaxTCP, "TCP `connections` at a time")
}

func forwardFlags(f *pflag.FlagSet, c *Config) {
	f.BoolVar(&c.External, "external", c.External, "answer for names that are not ours, by asking others")
	f.BoolVar(&c.RecursionAvailable, "recursion-available", c.RecursionAvailable, "say in all answers that we do")
	f.StringSliceVar(&c.Resolvers, "resolvers", c.Resolvers, "`IP` or IP:port to ask, in order (default: those of --resolv-conf)")
	f.StringArrayVar(&c.ZoneResolvers, "zone-resolvers", c.ZoneResolvers, "`zone=IP,IP` to ask for names below a zone; repeatable")
	f.StringVar(&c.ResolvConf, "resolv-conf", c.ResolvConf, "`file` with the system's resolvers; our own addresses in it are passed over")
	f.DurationVar(&c.Timeout, "timeout", c.Timeout, "`time` for one answer from others, all attempts together")
	f.DurationVar(&c.Hedge, "hedge", c.Hedge, "`time` without an answer after which the next resolver is asked as well")
	f.IntVar(&c.CacheEntries, "cache-entries", c.CacheEntries, "`answers` kept of others")
	f.BoolVar(&c.LoopCheck, "loop-check", c.LoopCheck, "find resolvers that forward to us, by a question of type HINFO at the start")
}
