package mlb

import "regexp"

var secrets = []*regexp.Regexp{
	regexp.MustCompile(`(?m)^([ \t]*user[ \t]+\S+[ \t]+(?:insecure-)?password[ \t]+)\S+`),
	regexp.MustCompile(`(?m)^([ \t]*stats[ \t]+auth[ \t]+[^\s:]+:)\S+`),
	regexp.MustCompile(`(?mi)(authorization[ \t]+"?(?:basic|bearer)(?:\\?[ \t])+)[^\s"]+`),
}

// redact blanks what must not be shown: passwords of userlists and of the statistics page, and credentials in headers.
func redact(config []byte) []byte {
	for _, s := range secrets {
		config = s.ReplaceAll(config, []byte("${1}[redacted]"))
	}
	return config
}
