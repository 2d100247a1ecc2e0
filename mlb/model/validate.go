package model

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What may stand in a configuration line without quotes. All of these are narrower than HAProxy's own grammar (manual
// section 2.2), so that no value can end a word or a line, start a comment or name a variable of the environment.
var (
	realmText       = regexp.MustCompile(`^[A-Za-z0-9 ._,@/()-]{1,200}$`)
	userText        = regexp.MustCompile(`^[A-Za-z0-9._@+-]{1,64}$`)
	hashText        = regexp.MustCompile(`^(\$[0-9A-Za-z]{1,4}\$[./0-9A-Za-z$=,+-]{8,250}|[./0-9A-Za-z]{13})$`)
	bindOptionsText = regexp.MustCompile(`^[A-Za-z0-9 ./_:@,=+*-]*$`)
	fileText        = regexp.MustCompile(`^/[A-Za-z0-9./_@+=,:-]{1,1000}$`)
	pathText        = regexp.MustCompile(`^/[A-Za-z0-9._~!&()*+,;=:@%/-]*$`)
	locationText    = regexp.MustCompile(`^(/|https?://)[A-Za-z0-9._~!&()*+,;=:@%/?-]*$`)

	// balance of HAProxy 2.6, manual section 4.2.
	balanceText = regexp.MustCompile(`^(roundrobin|static-rr|leastconn|first|source|random(\([1-9][0-9]{0,3}\))?` +
		`|uri( (whole|path-only|(len|depth) [1-9][0-9]{0,4}))*|url_param [A-Za-z0-9._-]{1,64}( check_post)?` +
		`|hdr\([A-Za-z0-9_-]{1,64}\)( use_domain_only)?|rdp-cookie(\([A-Za-z0-9_-]{1,64}\))?)$`)
)

func path(value string) (string, error) {
	value = strings.TrimSpace(value)
	if !pathText.MatchString(value) {
		return "", fmt.Errorf("expected a path that starts with / and has only characters of URLs")
	}
	return value, nil
}

func location(value string) (string, error) {
	value = strings.TrimSpace(value)
	if !locationText.MatchString(value) {
		return "", fmt.Errorf("expected a path or an http or https URL")
	}
	return value, nil
}

// hostName brings a virtual host into the form in which it is looked up: lower case, without a final dot and port. An
// empty element is no host.
func hostName(s string) (name string, hadPort bool, err error) {
	name = strings.ToLower(strings.TrimSpace(s))
	if host, port, ok := strings.Cut(name, ":"); ok {
		if _, err := integer(port, 1, maxPort); err != nil {
			return "", false, fmt.Errorf("expected host names; %q has a colon", Shorten(name))
		}
		name, hadPort = host, true
	}
	name = strings.TrimSuffix(name, ".")
	if name == "" {
		return "", false, nil
	}
	if !validHost(name) {
		return "", false, fmt.Errorf("expected host names such as www.example.com or *.example.com, "+
			"international ones in their xn-- form; %q is none", Shorten(name))
	}
	return name, hadPort, nil
}

// templateText accepts a text of several lines and makes CR LF into LF (marathon-lb.md section 7.3).
func templateText(s string) (string, error) {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("expected UTF-8 text")
	}
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t':
		case unicode.IsControl(r):
			return "", fmt.Errorf("expected text without control characters; it has U+%04X", r)
		case r == ' ':
		case unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Z, r):
			return "", fmt.Errorf("expected plain blanks between words; it has U+%04X", r)
		}
	}
	return s, nil
}

// settingText rejects what no setting has: control characters, and blanks that only look like blanks.
func settingText(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("expected UTF-8 text")
	}
	for _, r := range strings.TrimSpace(s) {
		if r != ' ' && r != '\t' && (unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)) {
			return fmt.Errorf("expected one line of plain text; it has U+%04X", r)
		}
	}
	return nil
}

// validBackend reports whether an app id gives a name that HAProxy accepts (manual section 2.2: letters, digits and
// -_.:).
func validBackend(name string) bool {
	for i := range len(name) {
		if c := name[i]; !letterOrDigit(c) && (c < 'A' || c > 'Z') && c != '-' && c != '_' && c != '.' && c != ':' {
			return false
		}
	}
	return name != "" && len(name) <= 250
}

// letterOrDigit reports whether c is a small letter or a digit.
func letterOrDigit(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// validHost reports whether name is a host name in lower case, or a wildcard for those below one. Underscores, which
// many internal names have, are taken.
func validHost(name string) bool {
	if len(name) > maxHostLength {
		return false
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(name, "*."), ".") {
		if part == "" || len(part) > 63 || part[0] == '-' || part[len(part)-1] == '-' {
			return false
		}
		for i := range len(part) {
			if c := part[i]; !letterOrDigit(c) && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}
