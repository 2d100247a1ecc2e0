package cli

import "runtime/debug"

// version is set by the linker: -X berth/cmd/internal/cli.version=….
var version string

// Version is the program's version: what the linker was told, else what the toolchain knows, else "dev".
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
