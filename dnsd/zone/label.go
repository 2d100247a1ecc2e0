package zone

import (
	"crypto/sha1"
	"strings"
)

// Limits of names in bytes (RFC 1035 section 2.3.4).
const (
	maxLabel = 63
	maxName  = 253 // in text form, without the trailing dot
)

// Rules choose how far a label is restricted.
type Rules int

// Rules. RFC 952 labels have at most 24 characters and start with a letter.
const (
	RFC1123 Rules = iota
	RFC952
)

func (r Rules) limit() int {
	if r == RFC952 {
		return 24
	}
	return maxLabel
}

// Label makes a DNS label of any text, as Mesos-DNS does: upper case becomes lower case; dots and underscores become
// hyphens; everything else that is not a letter, digit or hyphen is dropped; no hyphen stands first or last; what is too
// long is cut, and when the cut falls into a run of hyphens the run is skipped and the label filled up behind it. The
// result may be empty.
func Label(s string, rules Rules) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r + ('a' - 'A')
		case r == '-' || r == '.' || r == '_':
			return '-'
		}
		return -1
	}, s)
	leading := "-"
	if rules == RFC952 {
		leading = "-0123456789"
	}
	return cut(strings.TrimLeft(s, leading), rules.limit())
}

func cut(s string, limit int) string {
	head, rest := "", s
	for rest != "" && len(head) < limit {
		n := min(limit-len(head), len(rest))
		head, rest = head+rest[:n], rest[n:]
		trimmed := strings.TrimRight(head, "-")
		if len(trimmed) == len(head) {
			break
		}
		head, rest = trimmed, strings.TrimLeft(rest, "-")
	}
	return head
}

// Fragment makes a name of one or more labels: the pieces between dots become labels, empty ones are dropped.
func Fragment(s string, rules Rules) string {
	var labels []string
	for _, piece := range strings.Split(s, ".") {
		if l := Label(piece, rules); l != "" {
			labels = append(labels, l)
		}
	}
	return strings.Join(labels, ".")
}

// idHash is the first five characters of the z-base-32 form of the SHA-1 of a task id, as in Mesos-DNS' canonical names.
func idHash(s string) string {
	const alphabet = "ybndrfg8ejkmcpqxot1uwisza345h769"
	sum := sha1.Sum([]byte(s))
	bits := uint64(sum[0])<<32 | uint64(sum[1])<<24 | uint64(sum[2])<<16 | uint64(sum[3])<<8 | uint64(sum[4])
	out := make([]byte, 5)
	for i := range out {
		out[i] = alphabet[bits>>(35-5*i)&31]
	}
	return string(out)
}

// fit shortens a label to limit bytes; what is lost is replaced by a hash of the whole, so the result stays unique and
// stable.
func fit(label string, limit int) string {
	if len(label) <= limit {
		return label
	}
	return strings.TrimRight(label[:limit-6], "-") + "-" + idHash(label)
}

// agentTail is the text after the last hyphen of an agent's id, lower case: S3 of …-S3.
func agentTail(id string) string {
	return Label(id[strings.LastIndexByte(id, '-')+1:], RFC1123)
}

// encodable reports whether name can be sent, and be printed as it is: every label has 1 to 63 bytes of printable ASCII that
// mean nothing in a master file (RFC 1035 section 5.1), nor in a secondary (an asterisk, RFC 4592); and the name is not too long.
func encodable(name string) bool {
	if len(name) > maxName {
		return false
	}
	label := 0
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '.' && label == 0:
			return false
		case c == '.':
			label = 0
			continue
		case c <= ' ' || c > '~' || strings.IndexByte(`\"();@$*`, c) >= 0:
			return false
		}
		if label++; label > maxLabel {
			return false
		}
	}
	return label > 0
}
