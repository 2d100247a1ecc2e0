package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"berth/cmd/internal/vipns"
)

// VIP says where the virtual addresses of a run are.
type VIP struct {
	PID       int    `json:"pid,omitempty"` // of the process whose network namespace has them; 0 without
	Namespace string `json:"namespace,omitempty"`
	Reason    string `json:"reason,omitempty"` // why there are none
}

// vip serves virtual addresses in a network namespace of their own: on the machine itself it would take addresses away
// from their owners, as 1.1.1.1 has one.
func (p *plan) vip() daemon {
	var up atomic.Bool
	return daemon{
		name: "vip",
		run: func(ctx context.Context) error {
			if p.c.VIP == vipOff {
				p.withoutVIP(errors.New("--vip off"))
				up.Store(true)
				<-ctx.Done()
				return nil
			}
			child, err := p.startVIP(ctx)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil && p.c.VIP == vipOn:
				return err
			case err != nil:
				p.withoutVIP(err)
				up.Store(true)
				<-ctx.Done()
				return nil
			}
			return p.watchVIP(ctx, child, func() { up.Store(true) })
		},
		ready: func(context.Context) error {
			if !up.Load() {
				return errNoVIPs
			}
			return nil
		},
	}
}

var errNoVIPs = errors.New("virtual addresses are not in force yet")

// startVIP returns once virtual addresses work in the namespace.
func (p *plan) startVIP(ctx context.Context) (*vipns.Child, error) {
	child, err := vipns.Start(p.urls.API, filepath.Join(p.c.Dir, "vip"), p.opt.Log)
	if err != nil {
		return nil, err
	}
	if err := child.Await(ctx, readyTimeout/2); err != nil {
		return nil, errors.Join(err, child.Stop())
	}
	return child, nil
}

// watchVIP tells where the namespace is, carries status requests, and ends the child with ctx.
func (p *plan) watchVIP(ctx context.Context, child *vipns.Child, up func()) (err error) {
	defer func() { err = errors.Join(err, child.Stop()) }()
	p.virtual.PID = child.PID()
	if p.virtual.Namespace, err = namespaceOf(child.PID()); err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.ports["vip"])))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- child.ServeStatus(ctx, l) }()
	up()
	select {
	case <-child.Done():
		if ctx.Err() == nil {
			err = child.Ended()
		}
	case <-ctx.Done():
	case err = <-served:
		return err
	}
	cancel()
	return errors.Join(err, <-served)
}

// withoutVIP notes why there are no virtual addresses.
func (p *plan) withoutVIP(err error) {
	p.virtual.Reason = err.Error()
	if p.c.VIP == vipAuto {
		p.said = append(p.said, fmt.Sprintf("NO VIRTUAL ADDRESSES, as they need a network namespace: %v", err))
	}
}

// namespaceOf names the network namespace of a process, "net:[4026532001]".
func namespaceOf(pid int) (string, error) { return os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)) }
