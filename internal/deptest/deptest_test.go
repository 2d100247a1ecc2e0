package deptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "berth/"

// pkg is what go list says of a package.
type pkg struct {
	ImportPath string
	Dir        string
	Standard   bool
	GoFiles    []string
	Imports    []string
	Deps       []string
}

// local reports whether p belongs to this module.
func (p *pkg) local() bool { return strings.HasPrefix(p.ImportPath, module) }

// load asks the go command for every package of the module and everything they depend on.
func load(t *testing.T) map[string]*pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Dir,Standard,GoFiles,Imports,Deps", module+"...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	all := map[string]*pkg{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(pkg)
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all[p.ImportPath] = p
	}
	if all[module+"orchestrator/api"] == nil {
		t.Fatalf("go list knows no orchestrator/api among %d packages", len(all))
	}
	return all
}

// impure are the packages of the standard library that pure code of ours never imports itself. What lies behind an
// innocent one (fmt imports os) does not count.
var impure = []string{
	"crypto/rand", "io/ioutil", "log", "log/slog", "math/rand", "math/rand/v2", "net", "net/http", "net/rpc", "os",
	"os/exec", "os/signal", "os/user", "plugin", "syscall",
}

// edges are modules that do I/O; nothing pure may have them among its dependencies, however far away.
var edges = []string{
	"github.com/docker/docker", "github.com/fsnotify/fsnotify", "github.com/google/nftables", "github.com/google/renameio/v2",
	"github.com/haproxytech/client-native/v5", "github.com/prometheus/client_golang", "github.com/spf13/cobra",
	"github.com/vishvananda/netlink", "go.etcd.io/bbolt",
}

// pure are the packages that compute and compare. allow lists impure imports a package needs for types alone.
var pure = []struct {
	path  string
	allow []string
}{
	{path: "orchestrator/api"},
	{path: "orchestrator/serviceport"},
	// A plan is a slog.LogValuer; ports are drawn by a generator whose seed is given.
	{path: "orchestrator/reconcile", allow: []string{"log/slog", "math/rand/v2"}},
	{path: "mlb/legacy"},
	{path: "mlb/explain", allow: []string{"net/http"}}, // http.Header
	{path: "mlb/model"},
	{path: "mlb/render"},
	{path: "mlb/plan", allow: []string{"log/slog"}},
	{path: "dnsd/zone"},
	{path: "vip/ruleset"},
}

func TestPurePackagesStayPure(t *testing.T) {
	all := load(t)
	for _, rule := range pure {
		p := all[module+rule.path]
		if p == nil {
			continue
		}
		t.Run(rule.path, func(t *testing.T) {
			for _, dep := range append(slices.Clone(p.Deps), p.ImportPath) {
				d := all[dep]
				if d == nil {
					continue
				}
				if i := slices.IndexFunc(edges, func(e string) bool { return under(dep, e) }); i >= 0 {
					t.Errorf("%s depends on %s, an edge", rule.path, dep)
				}
				for _, imported := range d.Imports {
					if d.local() && slices.Contains(impure, imported) && !slices.Contains(rule.allow, imported) {
						t.Errorf("%s: %s imports %s", rule.path, dep, imported)
					}
				}
			}
			for _, call := range clockCalls(t, p) {
				t.Errorf("%s reads the clock: %s; take the time as a value", rule.path, call)
			}
		})
	}
}

// clockCalls finds where a package asks what time it is, or waits.
func clockCalls(t *testing.T, p *pkg) []string {
	t.Helper()
	var calls []string
	fset := token.NewFileSet()
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && isClock(s) {
				calls = append(calls, path.Base(p.ImportPath)+"/"+name+": time."+s.Sel.Name)
			}
			return true
		})
	}
	return calls
}

func isClock(s *ast.SelectorExpr) bool {
	x, ok := s.X.(*ast.Ident)
	clock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}
	return ok && x.Name == "time" && slices.Contains(clock, s.Sel.Name)
}

// The ground stands on the standard library alone, and on nothing in it that reaches out, however far away.
func TestTheGroundIsStandardLibraryOnly(t *testing.T) {
	all := load(t)
	for _, ground := range []string{"orchestrator/api", "orchestrator/serviceport"} {
		p := all[module+ground]
		if p == nil {
			continue
		}
		for _, dep := range p.Deps {
			d := all[dep]
			allowed := dep == module+"orchestrator/api" && ground != "orchestrator/api"
			if d != nil && !d.Standard && !allowed {
				t.Errorf("%s depends on %s, which is not in the standard library", ground, dep)
			}
			if slices.Contains([]string{"net", "net/http", "os/exec", "log/slog", "math/rand"}, dep) {
				t.Errorf("%s depends on %s", ground, dep)
			}
		}
	}
}

// The followers are useful to people who run a real Marathon: of the orchestrator they take its types and its client.
func TestFollowersTakeOnlyTypesAndClientOfTheOrchestrator(t *testing.T) {
	allowed := []string{module + "orchestrator/api", module + "orchestrator/client"}
	for _, p := range load(t) {
		if !p.local() || !followers(p.ImportPath) {
			continue
		}
		for _, imported := range p.Imports {
			if under(imported, module+"orchestrator") && !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
}

func followers(importPath string) bool {
	for _, f := range []string{"mlb", "dnsd", "vip"} {
		if under(importPath, module+f) {
			return true
		}
	}
	return false
}

// The followers know nothing of one another, the orchestrator nothing of them, and the client only the types.
func TestArrowsBetweenPrograms(t *testing.T) {
	forbidden := map[string][]string{
		"mlb":                 {"dnsd", "vip", "cmd"},
		"dnsd":                {"mlb", "vip", "cmd"},
		"vip":                 {"mlb", "dnsd", "cmd"},
		"orchestrator":        {"mlb", "dnsd", "vip", "cmd", "templates"},
		"orchestrator/client": {"orchestrator/httpapi", "orchestrator/store", "orchestrator/reconcile", "orchestrator/driver"},
		"orchestrator/store":  {"orchestrator/httpapi", "orchestrator/client"},
		"orchestrator/driver": {"orchestrator/httpapi", "orchestrator/client", "orchestrator/store", "orchestrator/reconcile"},
	}
	for _, p := range load(t) {
		for from, targets := range forbidden {
			if !under(p.ImportPath, module+from) {
				continue
			}
			for _, imported := range p.Imports {
				for _, to := range targets {
					if under(imported, module+to) {
						t.Errorf("%s imports %s", p.ImportPath, imported)
					}
				}
			}
		}
	}
}

// under reports whether a package is root or lies below it.
func under(importPath, root string) bool {
	return importPath == root || strings.HasPrefix(importPath, root+"/")
}

func TestTheChecksFindWhatTheyLookFor(t *testing.T) {
	p := &pkg{ImportPath: module + "internal/deptest", Dir: "testdata", GoFiles: []string{"clock.go"}}
	if calls := clockCalls(t, p); len(calls) != 2 {
		t.Errorf("found %q, expected two calls", calls)
	}
	all := load(t)
	if !slices.Contains(all[module+"orchestrator/client"].Imports, "log/slog") {
		t.Error("go list must name direct imports")
	}
	if !slices.Contains(all["fmt"].Deps, "os") {
		t.Error("go list must name what lies behind an import")
	}
	if under("berth/mlbx", "berth/mlb") || !under("berth/mlb", "berth/mlb") || !under("berth/mlb/plan", "berth/mlb") {
		t.Error("under: a folder is not a prefix of letters")
	}
}
