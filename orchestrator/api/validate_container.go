package api

import (
	"slices"
	"strings"
)

// DockerParameters are the long options of docker run that an app may set, sorted (section 3.3).
var DockerParameters = []string{
	"add-host", "cap-add", "cap-drop", "device", "dns", "entrypoint", "env", "group-add", "hostname", "init", "label",
	"log-driver", "log-opt", "memory-swap", "net-alias", "rm", "security-opt", "shm-size", "sysctl", "tmpfs", "ulimit",
	"user", "volume", "workdir",
}

func (d *draft) validateContainer() {
	c := d.app.Container
	if c == nil {
		return
	}
	oneOf(d, "/container/type", c.Type, ContainerDocker, ContainerMesos)
	switch {
	case c.Docker != nil:
		d.validateDocker(c.Docker)
	case c.Type == ContainerDocker:
		d.add("/container/docker", "missing; a container of type DOCKER needs it")
	}
	if sent := dockerNetwork(d.sent); sent == "NONE" {
		d.add("/container/docker/network", "NONE is not supported; expected BRIDGE, HOST or USER")
	} else if sent != "" {
		oneOf(d, "/container/docker/network", sent, "BRIDGE", "HOST", "USER")
	}
	for i, v := range c.Volumes {
		d.validateVolume(item("/container/volumes", i), v)
	}
}

func (d *draft) validateDocker(docker *Docker) {
	at := "/container/docker/image"
	switch image := docker.Image; {
	case image == "":
		d.add(at, "must not be empty")
	case strings.ContainsFunc(image, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		d.add(at, "%s: must not contain blanks or control characters", quote(image))
	}
	for i, p := range docker.Parameters {
		here := item("/container/docker/parameters", i)
		if _, ok := slices.BinarySearch(DockerParameters, p.Key); !ok {
			d.add(child(here, "key"), "%s is not allowed; expected one of %s", quote(p.Key),
				strings.Join(DockerParameters, ", "))
		}
		d.noNUL(child(here, "value"), p.Value)
	}
}

func (d *draft) validateVolume(at string, v Volume) {
	for _, f := range []struct{ name, path string }{{"containerPath", v.ContainerPath}, {"hostPath", v.HostPath}} {
		if f.path == "" {
			d.add(child(at, f.name), "must not be empty")
		}
		d.noNUL(child(at, f.name), f.path)
	}
	oneOf(d, child(at, "mode"), v.Mode, VolumeReadWrite, VolumeReadOnly)
}
