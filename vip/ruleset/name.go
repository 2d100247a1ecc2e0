package ruleset

import "strings"

const (
	maxLabel = 63
	// maxName leaves room for the framework and l4lb.thisdcos.directory within the 255 bytes of a DNS name.
	maxName = 180
	// DefaultZone is the domain of named VIPs.
	DefaultZone = "l4lb.thisdcos.directory"
)

// Fragment turns text into a piece of a domain name: split at the dots, each piece in lower case with only letters, digits
// and inner hyphens (an underscore becomes one), at most 63 bytes, empty pieces dropped.
func Fragment(s string) string {
	var out []string
	for _, piece := range strings.Split(s, ".") {
		if l := hostLabel(piece); l != "" {
			out = append(out, l)
		}
	}
	return strings.Join(out, ".")
}

// hostLabel keeps what RFC 1123 allows in a label. Hyphens are trimmed again after the cut, so none is left at the end.
func hostLabel(s string) string {
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b = append(b, c)
		case c >= 'A' && c <= 'Z':
			b = append(b, c-'A'+'a')
		case c == '-' || c == '_':
			b = append(b, '-')
		}
	}
	l := strings.TrimLeft(string(b), "-")
	if len(l) > maxLabel {
		l = l[:maxLabel]
	}
	return strings.TrimRight(l, "-")
}
