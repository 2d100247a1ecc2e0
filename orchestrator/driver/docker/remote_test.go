package docker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest"
	"berth/orchestrator/driver/drivertest/program"
	"berth/orchestrator/driver/drivertest/scratch"
	"berth/orchestrator/driver/drivertest/tlsfiles"
	"berth/orchestrator/driver/sandbox"
)

// stdioSocket names the environment variable that makes the test binary the far side of an ssh connection.
const stdioSocket = "BERTH_TEST_DIAL_STDIO"

// dialStdio is `docker system dial-stdio`: it joins standard input and output to the engine's socket.
func dialStdio(socket string) int {
	c, err := net.Dial("unix", socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		_, _ = io.Copy(c, os.Stdin)
		_ = c.(*net.UnixConn).CloseWrite()
	}()
	_, _ = io.Copy(os.Stdout, c)
	return 0
}

// localSocket is the path of the socket of the engine that the tests use.
func localSocket(t *testing.T) string {
	t.Helper()
	socket, ok := strings.CutPrefix(scratch.Engine(t).DaemonHost(), "unix://")
	if !ok {
		t.Skip("SKIPPED: the engine of the tests is not at a local socket")
	}
	return socket
}

// fakeSSH puts a program ssh first on the PATH that connects to the local engine without going anywhere, and notes its
// arguments in a file.
func fakeSSH(t *testing.T, script string) (noted string) {
	t.Helper()
	dir := t.TempDir()
	noted = filepath.Join(dir, "args")
	text := "#!/bin/sh\necho \"$*\" >" + noted + "\n" + script + "\n"
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return noted
}

func TestSuiteThroughSSH(t *testing.T) {
	socket := localSocket(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	noted := fakeSSH(t, fmt.Sprintf("%s=%s exec %s", stdioSocket, socket, self))
	data := t.TempDir()
	drivertest.Run(t, drivertest.Harness{
		Open: func(t *testing.T) driver.Driver {
			return newDriver(t, Options{Data: data, Host: "ssh://bob@far.example:2222", Remote: true})
		},
		Close: func(d driver.Driver) { d.(*Driver).Close() },
		App:   imageApp,
		Broken: func() (*api.App, string) {
			app := imageApp(program.Program{})
			app.Container.Docker.Parameters = []api.Parameter{{Key: "entrypoint", Value: "/no/such/program"}}
			return app, "not found"
		},
	})
	args, err := os.ReadFile(noted)
	if want := "-l bob -p 2222 -- far.example docker system dial-stdio\n"; err != nil || !strings.HasSuffix(string(args), want) {
		t.Errorf("ssh %s, %v; want it to end with %s", args, err, want)
	}
}

func TestWhatSSHComplainsOfIsSaid(t *testing.T) {
	fakeSSH(t, "echo 'bob@far.example: Permission denied (publickey).' >&2; exit 255")
	d := open(t, Options{Host: "ssh://bob@far.example", Remote: true})
	_, err := d.List(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Permission denied (publickey)") {
		t.Errorf("list: %v", err)
	}
}

// A deadline ends a read that the far side never answers.
func TestASilentSSHConnectionHasDeadlines(t *testing.T) {
	u, err := ParseHost("ssh://far.example")
	if err != nil {
		t.Fatal(err)
	}
	c, err := dialCommand(u, "sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
}

func TestTheSandboxOfARemoteEngineIsFilled(t *testing.T) {
	cli := scratch.Engine(t)
	d := open(t, Options{Remote: true})
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, []byte("not a program"), 0o600); err != nil {
		t.Fatal(err)
	}
	app := imageApp(program.Program{Run: true})
	app.User = "1234"
	app.Fetch = []api.Fetch{{URI: "file://" + file, Executable: true, DestPath: "sub/program"}}
	spec := specOf(t, app)
	start(t, d, spec)
	for path, want := range map[string]os.FileMode{"": 0o777, "sub/program": 0o755} {
		st, err := cli.ContainerStatPath(t.Context(), containerName(testCluster, spec.TaskID), sandbox.MountPath+"/"+path)
		if err != nil || st.Mode.Perm() != want {
			t.Errorf("%q: mode %v, want %v; %v", path, st.Mode, want, err)
		}
	}
	if left, err := os.ReadDir(d.dir(spec.TaskID)); err != nil || len(left) > 0 {
		t.Errorf("left on this side: %v, %v", left, err)
	}
}

func TestARelativeHostPathNeedsAnEngineOnThisHost(t *testing.T) {
	app := imageApp(program.Program{})
	app.Container.Volumes = []api.Volume{{ContainerPath: "/vol", HostPath: "vol", Mode: "RW"}}
	_, err := Build(driver.Spec{TaskID: "a.1", App: app}, BuildOptions{})
	if want := `volume 0: hostPath "vol" is relative: expected an absolute path`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// tlsTo listens on loopback as dockerd --tlsverify does, and passes connections on to the local engine.
func tlsTo(t *testing.T, socket string, files tlsfiles.Files) string {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(files.Engine.Cert, files.Engine.Key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(files.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
	})
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer in.Close()
				out, err := net.Dial("unix", socket)
				if err != nil {
					return
				}
				defer out.Close()
				work.Go(func() { _, _ = io.Copy(out, in); out.Close() })
				_, _ = io.Copy(in, out)
			})
		}
	})
	t.Cleanup(func() { l.Close(); work.Wait() })
	return "tcp://" + l.Addr().String()
}

func TestAnEngineBehindTLS(t *testing.T) {
	files := tlsfiles.Make(t, "127.0.0.1")
	host := tlsTo(t, localSocket(t), files)
	ours := TLSFiles{CA: files.CA, Cert: files.Client.Cert, Key: files.Client.Key}
	d := newDriver(t, Options{Host: host, TLS: ours})
	defer d.Close() // before the listener waits for its connections
	if cpus, mem, err := d.Measure(t.Context()); err != nil || cpus < 1 || mem < 64 {
		t.Errorf("measure: %v CPUs, %v MiB, %v", cpus, mem, err)
	}
	if err := d.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	stranger := tlsfiles.Make(t, "127.0.0.1")
	for rule, opt := range map[string]Options{
		"without a certificate":       {Host: host},
		"signed by another authority": {Host: host, TLS: TLSFiles{CA: files.CA, Cert: stranger.Client.Cert, Key: stranger.Client.Key}},
		"of another engine":           {Host: host, TLS: TLSFiles{CA: stranger.CA, Cert: files.Client.Cert, Key: files.Client.Key}},
	} {
		d := newDriver(t, opt)
		if err := d.Ping(t.Context()); err == nil {
			t.Errorf("%s: the engine answered", rule)
		}
		d.Close()
	}
	if _, err := New(Options{Host: host, TLS: TLSFiles{CA: files.CA}, Data: t.TempDir()}); err == nil {
		t.Error("an authority alone was taken")
	}
}

func TestParseHost(t *testing.T) {
	for host, good := range map[string]bool{
		"unix:///run/docker.sock": true, "tcp://10.0.0.1:2376": true, "tcp://[fd00::1]:2376": true, "ssh://far": true,
		"ssh://bob@far:2222": true,

		"": false, "unix://": false, "unix://run/docker.sock": false, "tcp://10.0.0.1": false, "tcp://:2376": false,
		"tcp://a:1/x": false, "http://a:1": false, "ssh://": false, "ssh://bob:secret@far": false,
		"ssh://-oProxyCommand=x": false, "ssh://-x@far": false, "10.0.0.1:2376": false, "tcp://a:1?x=1": false, "tcp://a:x": false,
	} {
		if _, err := ParseHost(host); (err == nil) != good {
			t.Errorf("%q: %v", host, err)
		}
	}
}
