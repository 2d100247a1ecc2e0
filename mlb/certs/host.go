package certs

import (
	"crypto/x509"
	"encoding/pem"
	"maps"
	"slices"
	"strings"
)

// For returns the file with the certificate for a host, the first one in the order of named when none is for it; "" when
// there are no usable files. An empty host is nobody's. A wildcard host, *.example.com, is matched as such.
func For(s Set, named []string, host string) string {
	first := ""
	for _, n := range named {
		for _, path := range slices.Sorted(maps.Keys(s.Files)) {
			if f := s.Files[path]; path != n && f.Dir != n {
				continue
			}
			if first == "" {
				first = path
			}
			if host != "" && s.Files[path].isFor(host) {
				return path
			}
		}
	}
	return first
}

func (f File) isFor(host string) bool {
	var block *pem.Block
	for rest := f.Text; ; {
		if block, rest = pem.Decode(rest); block == nil || block.Type == "CERTIFICATE" {
			break
		}
	}
	if block == nil {
		return false
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return false
	}
	if strings.HasPrefix(host, "*.") {
		return slices.Contains(leaf.DNSNames, host)
	}
	return leaf.VerifyHostname(host) == nil
}
