package mlbd

import (
	"strconv"
	"strings"

	"berth/cmd/internal/cli"
	"berth/mlb"
	"berth/mlb/spare"
)

func (c Config) checkSpares() error {
	for flag, n := range map[string]int{"--spare-backends": c.SpareBackends, "--spare-tcp-backends": c.SpareTCPBackends} {
		if n < 0 || n > spare.Max {
			return cli.Usagef("%s %d: expected 0 to %d", flag, n, spare.Max)
		}
	}
	if _, _, ok := portRange(c.SparePorts); !ok {
		return cli.Usagef("--spare-ports %q: expected a range of ports such as 10000-20000", c.SparePorts)
	}
	return nil
}

func portRange(s string) (low, high int, ok bool) {
	from, to, _ := strings.Cut(s, "-")
	low, err := strconv.Atoi(from)
	high, err2 := strconv.Atoi(to)
	return low, high, err == nil && err2 == nil && low >= 1 && low <= high && high <= 65535
}

// spare says what is kept in store.
func (c Config) spare() mlb.SpareOptions {
	low, high, _ := portRange(c.SparePorts)
	return mlb.SpareOptions{HTTP: c.SpareBackends, TCP: c.SpareTCPBackends, MinPort: low, MaxPort: high}
}
