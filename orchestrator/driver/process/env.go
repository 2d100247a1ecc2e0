package process

import (
	"cmp"
	"slices"
	"strings"

	"berth/orchestrator/driver"
)

// marker is in the environment of everything a task starts, unless it takes pains to lose it. Its value, the task's
// directory, is unique on the host; task ids of two clusters need not be.
const marker = "BERTH_TASK_DIR"

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is that of the spec, with MESOS_SANDBOX, and PATH (path, if that is given) and HOME where the app sets none. Nothing of the
// daemon's own environment is passed on.
func environment(spec driver.Spec, t *task, path string) []string {
	env := slices.Clone(spec.Env)
	if _, own := spec.App.Env["MESOS_SANDBOX"]; !own {
		env = setEnv(env, "MESOS_SANDBOX", t.work())
	}
	if lookupEnv(env, "PATH") == "" {
		env = setEnv(env, "PATH", cmp.Or(path, defaultPath))
	}
	if lookupEnv(env, "HOME") == "" {
		env = setEnv(env, "HOME", t.work())
	}
	return setEnv(env, marker, t.dir)
}

func setEnv(env []string, name, value string) []string {
	env = slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
	return append(env, name+"="+value)
}

func lookupEnv(env []string, name string) string {
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v
		}
	}
	return ""
}
