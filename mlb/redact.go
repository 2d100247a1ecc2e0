package mlb

import "regexp"

// A word as HAProxy reads it: quoted, or with escaped blanks.
const secretWord = `(?:"[^"\n]*"?|'[^'\n]*'?|(?:\\[^\n]|[^\s\\])+)`

var secrets = []*regexp.Regexp{
	regexp.MustCompile(`(\buser["']?[ \t][^\n]*?\b(?:insecure-)?password["']?[ \t]+)` + secretWord),
	regexp.MustCompile(`(?m)^([ \t]*stats[ \t]+auth[ \t]+[^\s:]+:)\S+`),
	regexp.MustCompile(`(?i)(authorization[ \t]+"?(?:basic|bearer)(?:\\?[ \t])+)[^\s"]+`),
}

// redact blanks what must not be shown: passwords of userlists and of the statistics page, and credentials in headers.
func redact(config []byte) []byte {
	for _, s := range secrets {
		config = s.ReplaceAll(config, []byte("${1}[redacted]"))
	}
	return config
}
