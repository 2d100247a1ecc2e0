package dev

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"berth/cmd/internal/cli"
)

// port is one of the addresses berth dev listens on.
type port struct {
	name    string // of its flag, without "-port"
	flag    string
	what    string
	number  int  // the number in use; on input what the flag says, 0 if it was not given
	root    int  // the usual number, for root
	user    int  // the first number to try otherwise
	byUser  bool // given on the command line or in the environment: never replaced
	address string
}

// maxTries bounds the search for a free port.
const maxTries = 200

// busy reports whether somebody listens on the port already. It binds for a moment, as the daemons will.
func busy(address string, number int) (bool, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(number)))
	switch {
	case err == nil:
		return false, l.Close()
	case errors.Is(err, syscall.EADDRINUSE):
		return true, nil
	}
	return false, err
}

// choose settles the number of every port: what was asked for, else what the last run left behind, else the usual
// number, else the next free one. It returns a sentence for each port that is not the usual one.
func choose(ports []*port, privileged bool, last map[string]int) ([]string, error) {
	taken := map[int]bool{}
	for _, p := range ports {
		if p.byUser {
			if taken[p.number] {
				return nil, cli.Usagef("--%s %d: another port flag has the same number", p.flag, p.number)
			}
			taken[p.number] = true
		}
	}
	var said []string
	for _, p := range ports {
		s, err := p.settle(privileged, last[p.name], taken)
		if err != nil {
			return nil, err
		}
		taken[p.number] = true
		if s != "" {
			said = append(said, s)
		}
	}
	return said, nil
}

// prefer makes the number of an earlier run the usual one, if it is free.
func (p *port) prefer(last int) {
	if last == 0 || p.byUser {
		return
	}
	if held, err := busy(p.address, last); err == nil && !held {
		p.root, p.user = last, last
	}
}

func (p *port) settle(privileged bool, last int, taken map[int]bool) (string, error) {
	if p.byUser {
		return "", p.check(last)
	}
	if last != 0 {
		p.number = last // still held by the HAProxy that a killed run left behind
		return "", nil
	}
	first := p.user
	if privileged {
		first = p.root
	}
	number, err := p.free(first, taken)
	if err != nil {
		return "", err
	}
	p.number = number
	switch {
	case number == p.root:
		return "", nil
	case number == first:
		return fmt.Sprintf("%s on port %d, as %d needs root (--%s changes it)", p.what, number, p.root, p.flag), nil
	}
	return fmt.Sprintf("%s on port %d, as %d is taken (--%s changes it)", p.what, number, first, p.flag), nil
}

// check refuses a port that was asked for and cannot be had.
func (p *port) check(last int) error {
	if p.number == last {
		return nil
	}
	taken, err := busy(p.address, p.number)
	if err != nil {
		return fmt.Errorf("listen on port %d: %w; --%s changes it", p.number, err, p.flag)
	}
	if taken {
		return fmt.Errorf("port %d is taken by another program; --%s changes it", p.number, p.flag)
	}
	return nil
}

func (p *port) free(first int, taken map[int]bool) (int, error) {
	number := first
	for range maxTries {
		if !taken[number] {
			held, err := busy(p.address, number)
			if err == nil && !held {
				return number, nil
			}
			if err != nil && !errors.Is(err, syscall.EACCES) {
				return 0, fmt.Errorf("look for a free port: %w; --%s chooses one", err, p.flag)
			}
		}
		if number < 1024 {
			number = p.user
		} else {
			number++
		}
	}
	return 0, fmt.Errorf("no free port from %d on; --%s chooses one", first, p.flag)
}
