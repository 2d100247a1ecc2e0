package api

import (
	"fmt"
	"strings"
	"time"
)

// Timestamp is a moment in Unix milliseconds, UTC. Its text form always has three digits of milliseconds and a Z,
// because clients use versions as map keys and path segments: the text must survive a round trip. The zero value means
// "absent" and is left out by the omitzero tag.
type Timestamp int64

// TimestampLayout is the one text form of a Timestamp.
const TimestampLayout = "2006-01-02T15:04:05.000Z"

// TimestampOf cuts t to milliseconds.
func TimestampOf(t time.Time) Timestamp {
	if t.IsZero() {
		return 0
	}
	return Timestamp(t.UnixMilli())
}

// ParseTimestamp reads any RFC 3339 time; finer digits than milliseconds are cut off.
func ParseTimestamp(s string) (Timestamp, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, fmt.Errorf("timestamp %q: expected the form %s", s, TimestampLayout)
	}
	return TimestampOf(t), nil
}

// Time returns t in UTC; the zero Timestamp gives the zero time.
func (t Timestamp) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(t)).UTC()
}

// IsZero reports whether t is absent.
func (t Timestamp) IsZero() bool { return t == 0 }

func (t Timestamp) String() string { return t.Time().Format(TimestampLayout) }

// MarshalText implements encoding.TextMarshaler, so a Timestamp is a JSON string and a JSON object key.
func (t Timestamp) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Timestamp) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	if s == "" {
		*t = 0
		return nil
	}
	v, err := ParseTimestamp(s)
	if err != nil {
		return err
	}
	*t = v
	return nil
}
