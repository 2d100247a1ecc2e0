// Package server answers DNS queries over UDP and TCP: from the zone it was given last, and through a forwarder for what is
// not ours.
//
//	udp.go, mmsg.go   datagrams in batches, a goroutine for each socket
//	  hot.go, question.go   plain questions for names of ours, from wire-format records, without allocating
//	  slow.go               everything else, by way of miekg/dns
//	tcp.go            connections; transfer.go   AXFR
//	config.go         who may ask what; limit.go   how often; cookie.go   who has shown that it can hear us
//
// The zone is one atomic pointer, loaded once per query. What hot.go answers, slow.go answers alike; a property test holds
// the two together.
package server
