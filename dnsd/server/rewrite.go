package server

import "strings"

// Rewrite makes a name below From be looked up as the same name below To; the client sees the name it asked for, also inside
// records. A From of "*.<suffix>" stands for any one label before the suffix. Names are in lower case without the trailing
// dot.
type Rewrite struct{ From, To string }

// DCOSRewrites are DC/OS' other ways to write its names (dns.md section 6).
func DCOSRewrites(domain string) []Rewrite {
	return []Rewrite{
		{"mesos.thisdcos.directory", domain},
		{"dclb.thisdcos.directory", "l4lb.thisdcos.directory"},
		{"dclb.thisdcos.global", "l4lb.thisdcos.directory"},
		{"mesos.thisdcos.global", domain},
		{"thisdcos.global", "thisdcos.directory"},
		{"*.dcos.directory", "thisdcos.directory"},
	}
}

// rewrites reports whether any rewrite may concern name.
func (c *Config) rewrites(name []byte) bool {
	for i := range c.Rewrites {
		from := strings.TrimPrefix(c.Rewrites[i].From, "*")
		if n := len(name) - len(from); n >= 0 && string(name[n:]) == from {
			return true
		}
	}
	return false
}

// rewriting is what was done to a question: the end it had, and the end it has been given.
type rewriting struct{ asked, made string }

// rewrite returns the name to look up for a name in lower case, and what was done.
func (c *Config) rewrite(name string) (string, rewriting) {
	original, rw := name, rewriting{}
	for range 3 { // one may lead to another: <key>.dcos.directory, thisdcos.directory, mesos
		next, made := c.rewriteOnce(name)
		if next == name {
			break
		}
		common := len(next) - len(made)
		rw = rewriting{original[min(common, len(original)):], made}
		name = next
	}
	return name, rw
}

func (c *Config) rewriteOnce(name string) (string, string) {
	for _, r := range c.Rewrites {
		if suffix, any := strings.CutPrefix(r.From, "*"); any {
			head, ok := strings.CutSuffix(name, suffix)
			if !ok || head == "" {
				continue
			}
			if i := strings.LastIndexByte(head, '.'); i >= 0 {
				return head[:i+1] + r.To, r.To
			}
			return r.To, r.To
		}
		if head, ok := strings.CutSuffix(name, r.From); ok && (head == "" || head[len(head)-1] == '.') {
			return head + r.To, r.To
		}
	}
	return name, ""
}

// back turns a name that was found into one as the client writes it.
func (rw rewriting) back(name string) string {
	if rw.made == "" {
		return name
	}
	head, ok := strings.CutSuffix(name, rw.made)
	if !ok || head != "" && head[len(head)-1] != '.' {
		return name
	}
	return head + rw.asked
}
