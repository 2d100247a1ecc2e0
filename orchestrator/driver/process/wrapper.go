package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// script supervises a task. It is the leader of the task's session and process group, so a signal to the group reaches
// it too: the traps keep it alive until the command has ended, and being handlers, not "ignore", they leave the command
// the default action. 3 is the gate, 4 the exit file, 5 the task's stderr; its own complaints go nowhere. "$1" always
// holds a slash, so no builtin can be meant. The exit file counts once it ends in a newline.
const script = `trap : TERM INT HUP QUIT USR1 USR2 ALRM
read -r go <&3 || exit 125
exec 3<&-
"$@" 2>&5 4>&- 5>&-
echo $? >&4`

type wrapper struct {
	pid  int
	gate *os.File // a line lets the command run, closing it ends the wrapper
}

// startWrapper starts the supervising shell. The task gets its files open, so it needs no rights to the directory.
func startWrapper(t *task, argv, env []string, cred *credential) (_ *wrapper, err error) {
	f := &files{}
	defer f.close()
	null := f.open(os.DevNull, os.O_RDWR)
	stdout := f.output(filepath.Join(t.dir, "stdout"), cred)
	stderr := f.output(filepath.Join(t.dir, "stderr"), cred)
	exit := f.output(filepath.Join(t.dir, exitFile), nil)
	if f.err != nil {
		return nil, fmt.Errorf("open the task's files: %w", f.err)
	}
	gateRead, gate, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("open the task's files: %w", err)
	}
	defer gateRead.Close()
	attr := &os.ProcAttr{
		Dir: t.work(), Env: env,
		Files: []*os.File{null, stdout, null, gateRead, exit, stderr},
		Sys:   &syscall.SysProcAttr{Setsid: true, Credential: cred.sys()},
	}
	p, err := os.StartProcess("/bin/sh", append([]string{"/bin/sh", "-c", script, "berth-task"}, argv...), attr)
	if err != nil {
		gate.Close()
		return nil, startError(err, t, cred)
	}
	defer p.Release() //nolint:errcheck // the process is watched by handle
	return &wrapper{pid: p.Pid, gate: gate}, nil
}

func startError(err error, t *task, cred *credential) error {
	if errors.Is(err, fs.ErrPermission) && cred != nil {
		return fmt.Errorf("start as user %s: %w (the user must be able to reach %s)", cred.name, err, t.work())
	}
	return fmt.Errorf("start process: %w", err)
}

// files opens several files and remembers the first error.
type files struct {
	list []*os.File
	err  error
}

func (f *files) open(name string, flag int) *os.File {
	if f.err != nil {
		return nil
	}
	file, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		f.err = err
		return nil
	}
	f.list = append(f.list, file)
	return file
}

// output makes a file for appending: after it was cut to nothing, the next write lands at its start. The task's user
// owns it, because programs open /dev/stdout anew.
func (f *files) output(name string, cred *credential) *os.File {
	file := f.open(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND)
	if file != nil && cred != nil {
		f.err = file.Chown(int(cred.Uid), int(cred.Gid))
	}
	return file
}

func (f *files) close() {
	for _, file := range f.list {
		file.Close()
	}
}
