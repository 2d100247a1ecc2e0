package haproxy

import "os"

// environment is what HAProxy gets to see of mlb's environment. Nothing else is passed on: mlb's variables hold passwords
// and keys, and whoever may write a line of the configuration can read a variable (manual section 2.3, and env() of
// section 7.3.2).
func environment() []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	if tz, ok := os.LookupEnv("TZ"); ok {
		env = append(env, "TZ="+tz)
	}
	return env
}
