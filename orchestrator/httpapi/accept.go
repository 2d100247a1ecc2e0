package httpapi

import (
	"mime"
	"strconv"
	"strings"
)

// quality returns the weight of an Accept or Accept-Encoding header for one exact entry, without wildcards; 0 means not
// wanted or not named (RFC 9110 section 12.5).
func quality(header, want string) float64 {
	for part := range strings.SplitSeq(header, ",") {
		t, params, err := mime.ParseMediaType(part)
		if err != nil || t != want {
			continue
		}
		q, given := params["q"]
		if !given {
			return 1
		}
		if f, err := strconv.ParseFloat(q, 64); err == nil {
			return f
		}
		return 0
	}
	return 0
}

func accepts(header, want string) bool { return quality(header, want) > 0 }

// wantsText reports whether plain text is asked for by name and not less than JSON.
func wantsText(accept string) bool {
	text := quality(accept, "text/plain")
	return text > 0 && text >= quality(accept, jsonType)
}
