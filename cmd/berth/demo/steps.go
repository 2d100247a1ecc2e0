package demo

import (
	"context"
	"fmt"
	"strings"
)

// step is one stop of the walk.
type step struct {
	title string
	about string
	run   func(ctx context.Context, w *walk) error
}

// steps is the walk, in order. What a later daemon shows is another row.
var steps = []step{
	{"six apps", "Each is a JSON file in Marathon's format, run as a plain process.", deploy},
	{"dynamic host ports", "test1 asks for any port: each task gets one of its agent's, told to it as $PORT0.", dynamicPorts},
	{"a fixed host port", "test2 asks for one port of the machine itself.", fixedPort},
	{"service port, assigned", "test3 is in group external: the load balancer listens on its service port, and both " +
		"tasks answer there. Numbers are given from 10000 up.", assignedServicePort},
	{"service port, chosen", "test6 names its service port.", chosenServicePort},
	{"HAPROXY_GROUP", "test1 has a service port too, but no load balancer is responsible until it has a group.", group},
	{"HAPROXY_0_VHOST", "test6 answers to the host names of its label.", vhost},
	{"DNS, addresses", "dnsd answers for every app that runs: its name, with the addresses of its tasks.", dnsAddress},
	{"DNS, ports", "An SRV record says which ports test2's tasks have, and where.", dnsPort},
	{"a virtual address, by name", "test4 asks for /test4:80: the kernel leads the address of that name to its task. It works in " +
		"a network namespace from which nothing leaves, which `berth dev exec` enters.", virtualByName},
	{"a virtual address, by number", "test5 asks for 1.1.1.1:80, which outside of that namespace is a stranger's.", virtualByNumber},
	{"scaling", "Three tasks instead of one. The load balancer learns of them as soon as they are healthy.", scale},
	{"stats", "HAProxy's own view: a backend for each service, named by app and service port.", stats},
}

func deploy(ctx context.Context, w *walk) error {
	var files []string
	for i := 1; i <= 6; i++ {
		files = append(files, w.file(fmt.Sprintf("test%d.json", i)))
	}
	if err := w.sh.run(ctx, "berth app add "+strings.Join(files, " ")+" --wait", contains("/test6: done")); err != nil {
		return err
	}
	return w.sh.poll(ctx, "berth app list", contains("/test1", "/test6"))
}

func dynamicPorts(ctx context.Context, w *walk) error {
	tasks, err := w.tasks(ctx, "/test1", 2)
	if err != nil {
		return err
	}
	if err := w.sh.poll(ctx, "berth task list test1", contains(tasks[0].ID, tasks[1].ID)); err != nil {
		return err
	}
	for _, t := range tasks {
		if len(t.Ports) != 1 {
			return fmt.Errorf("task %s has ports %v, expected one", t.ID, t.Ports)
		}
		if err := w.sh.poll(ctx, fmt.Sprintf("curl -sS http://127.0.0.1:%d/", t.Ports[0]), contains(t.ID)); err != nil {
			return err
		}
	}
	return nil
}

func fixedPort(ctx context.Context, w *walk) error {
	tasks, err := w.tasks(ctx, "/test2", 1)
	if err != nil {
		return err
	}
	return w.sh.poll(ctx, fmt.Sprintf("curl -sS http://127.0.0.1:%d/", w.hostPort), contains(tasks[0].ID))
}

func assignedServicePort(ctx context.Context, w *walk) error {
	tasks, err := w.tasks(ctx, "/test3", 2)
	if err != nil {
		return err
	}
	port, err := w.servicePort(ctx, "/test3")
	if err != nil {
		return err
	}
	if port < 10000 || port > 20000 {
		return fmt.Errorf("test3 has service port %d, expected 10000 to 20000", port)
	}
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	return w.sh.poll(ctx, repeat(4, url), distinct(2, ids(tasks)))
}

func chosenServicePort(ctx context.Context, w *walk) error {
	tasks, err := w.tasks(ctx, "/test6", 1)
	if err != nil {
		return err
	}
	port, err := w.servicePort(ctx, "/test6")
	if err != nil {
		return err
	}
	if port != w.servicePort6 {
		return fmt.Errorf("test6 has service port %d, expected %d", port, w.servicePort6)
	}
	return w.sh.poll(ctx, fmt.Sprintf("curl -sS http://127.0.0.1:%d/", port), contains(tasks[0].ID))
}

func group(ctx context.Context, w *walk) error {
	port, err := w.servicePort(ctx, "/test1")
	if err != nil {
		return err
	}
	curl := fmt.Sprintf("curl -sS http://127.0.0.1:%d/", port)
	if err := w.sh.poll(ctx, curl, refused); err != nil {
		return err
	}
	update := `berth app update test1 'labels={"HAPROXY_GROUP":"external"}' --wait`
	if err := w.sh.run(ctx, update, contains("/test1: done")); err != nil {
		return err
	}
	return w.sh.poll(ctx, curl, contains("test1."))
}

func vhost(ctx context.Context, w *walk) error {
	tasks, err := w.tasks(ctx, "/test6", 1)
	if err != nil {
		return err
	}
	byHeader := fmt.Sprintf("curl -sS -H 'Host: testing6.test' %s/", w.urls.HTTP)
	if err := w.sh.poll(ctx, byHeader, contains(tasks[0].ID, "testing6.test")); err != nil {
		return err
	}
	return w.sh.poll(ctx, "curl -sS "+w.helloURL(), contains(tasks[0].ID, "hello.localhost"))
}

func scale(ctx context.Context, w *walk) error {
	if err := w.sh.run(ctx, "berth app scale test6 3 --wait", contains("/test6: done")); err != nil {
		return err
	}
	tasks, err := w.tasks(ctx, "/test6", 3)
	if err != nil {
		return err
	}
	return w.sh.poll(ctx, repeat(6, "-H 'Host: testing6.test' "+w.urls.HTTP+"/"), distinct(3, ids(tasks)))
}

func stats(ctx context.Context, w *walk) error {
	command := fmt.Sprintf("curl -sS '%s;csv' | cut -d, -f1,2,18 | grep '^test'", w.urls.Stats)
	return w.sh.poll(ctx, command, contains(fmt.Sprintf("test6_%d,BACKEND,UP", w.servicePort6)))
}

// virtual asks for a virtual address where it works: in the namespace, never on the machine itself.
func virtual(ctx context.Context, w *walk, app, vip string) error {
	if w.noVIP != "" {
		return skipped(w.noVIP)
	}
	tasks, err := w.tasks(ctx, app, 1)
	if err != nil {
		return err
	}
	if err := w.sh.poll(ctx, "berth dev exec curl -sS --max-time 5 http://"+vip+"/", contains(tasks[0].ID)); err != nil {
		return err
	}
	return w.sh.poll(ctx, "berth vip show "+vip, contains(tasks[0].ID, "active"))
}

func virtualByName(ctx context.Context, w *walk) error {
	return virtual(ctx, w, "/test4", "test4.marathon.l4lb.thisdcos.directory")
}

func virtualByNumber(ctx context.Context, w *walk) error { return virtual(ctx, w, "/test5", "1.1.1.1") }

// repeat asks n times and shows which task answered.
func repeat(n int, curlArgs string) string {
	var words []string
	for i := range n {
		words = append(words, fmt.Sprint(i+1))
	}
	return fmt.Sprintf("for i in %s; do curl -sS %s | grep -i '^task'; done", strings.Join(words, " "), curlArgs)
}

// dig asks the demonstration's name server.
func (w *walk) dig(name, kind string) string {
	host, port, _ := strings.Cut(w.urls.DNS, ":")
	return fmt.Sprintf("dig +short @%s -p %s %s %s", host, port, name, kind)
}

func dnsAddress(ctx context.Context, w *walk) error {
	return w.sh.poll(ctx, w.dig("test1.marathon.mesos", "A"), contains("127.0.0.1"))
}

func dnsPort(ctx context.Context, w *walk) error {
	return w.sh.poll(ctx, w.dig("_test2._tcp.marathon.mesos", "SRV"), contains(fmt.Sprint(w.hostPort), "marathon.slave.mesos."))
}
