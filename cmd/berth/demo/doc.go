// Package demo is `berth demo`: it starts berth dev as a child process, deploys six apps, and walks through them step by
// step. Each step prints the real command and its real answer, and checks what the answer must hold.
//
// The six apps and what each shows follow the tour of service discovery that DC/OS users know: a dynamic host port, a
// fixed one, a service port behind the load balancer, two kinds of virtual address, a virtual host.
package demo
