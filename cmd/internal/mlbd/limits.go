package mlbd

import "golang.org/x/sys/unix"

const defaultMaxConn = 50000

// connections is how many connections HAProxy shall accept. It needs two files for each, one more for every service and
// check, and does not start when it cannot have them.
func (c Config) connections() int {
	if c.MaxConn > 0 {
		return c.MaxConn
	}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return defaultMaxConn
	}
	return connectionsFor(files.Max)
}

// connectionsFor leaves half of the files to services and checks.
func connectionsFor(files uint64) int {
	return int(max(10, min(files/4, defaultMaxConn)))
}
