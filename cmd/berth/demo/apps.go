package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"berth/cmd/internal/cli"
	"berth/orchestrator/api"
)

// apps are the six files, ready to be deployed on this machine.
type apps struct {
	dir          string
	hostPort     int // of test2
	servicePort6 int // of test6
	serviceMin   int // the others get theirs from here
}

// prepare checks the files and moves the two numbers that they fix out of the way of other programs: then they are
// copied, changed, into state.
func prepare(cfg Config, state string, out io.Writer) (apps, error) {
	a := apps{dir: cfg.Dir}
	two, err := fixedPortOf(cfg.Dir, "test2.json")
	if err != nil {
		return a, err
	}
	six, err := fixedPortOf(cfg.Dir, "test6.json")
	if err != nil {
		return a, err
	}
	if a.hostPort, err = freePort(cfg.HostPort); err != nil {
		return a, err
	}
	if a.servicePort6, err = freePort(six); err != nil {
		return a, err
	}
	if a.serviceMin, err = freeRange(firstServicePort, 10); err != nil {
		return a, err
	}
	if a.hostPort == two && a.servicePort6 == six {
		return a, nil
	}
	a.dir = filepath.Join(state, "examples")
	fmt.Fprintf(out, "test2 gets host port %d, test6 service port %d (--host-port changes the first)\n", a.hostPort,
		a.servicePort6)
	return a, a.copyFrom(cfg.Dir)
}

// devArgs are the flags that berth dev needs for these apps.
func (a apps) devArgs() []string {
	if a.serviceMin == firstServicePort {
		return nil
	}
	return []string{"--service-port-min", strconv.Itoa(a.serviceMin)}
}

func (a apps) copyFrom(dir string) error {
	if err := os.Mkdir(a.dir, 0o700); err != nil {
		return err
	}
	for i := 1; i <= 6; i++ {
		name := fmt.Sprintf("test%d.json", i)
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		switch i {
		case 2:
			data, err = withPort(data, a.hostPort)
		case 6:
			data, err = withPort(data, a.servicePort6)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(a.dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// fixedPortOf is the first port that the file asks for.
func fixedPortOf(dir, name string) (int, error) {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0, cli.UsageError{Err: fmt.Errorf("%w; --examples says where the six apps are", err)}
	}
	var app api.App
	if err := json.Unmarshal(data, &app); err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	if len(app.PortDefinitions) == 0 || app.PortDefinitions[0].Port == 0 {
		return 0, fmt.Errorf("%s: expected portDefinitions with a fixed port", name)
	}
	return app.PortDefinitions[0].Port, nil
}

// withPort replaces the number of the first port definition.
func withPort(data []byte, port int) ([]byte, error) {
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	list, _ := doc["portDefinitions"].([]any)
	if len(list) == 0 {
		return nil, errors.New("expected portDefinitions")
	}
	first, ok := list[0].(map[string]any)
	if !ok {
		return nil, errors.New("expected portDefinitions to be a list of objects")
	}
	first["port"] = port
	return json.MarshalIndent(doc, "", "  ")
}

// firstServicePort is where an orchestrator begins to assign service ports.
const firstServicePort = 10000

// freeRange is the first of n ports in a row that nobody listens on, from number on.
func freeRange(number, n int) (int, error) {
	for start := number; start < number+1000; {
		p, err := freePort(start)
		if err != nil {
			return 0, err
		}
		for start = p; start < p+n; start++ {
			if q, err := freePort(start); err != nil || q != start {
				break
			}
		}
		if start == p+n {
			return p, nil
		}
		start++
	}
	return 0, fmt.Errorf("no %d free ports in a row from %d on", n, number)
}

// freePort is the first port from number on that nobody listens on.
func freePort(number int) (int, error) {
	for p := number; p < number+100 && p <= 65535; p++ {
		l, err := net.Listen("tcp", ":"+strconv.Itoa(p))
		if err == nil {
			return p, l.Close()
		}
	}
	return 0, fmt.Errorf("no free port from %d on", number)
}
