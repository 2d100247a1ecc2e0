package zone

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestLabel(t *testing.T) {
	for _, tt := range []struct{ in, rfc1123, rfc952 string }{
		{"web.b.a", "web-b-a", "web-b-a"},
		{"Web_App", "web-app", "web-app"},
		{"a.c.d_de.", "a-c-d-de", "a-c-d-de"},
		{"-4abc123", "4abc123", "abc123"},
		{"a--b", "a--b", "a--b"},
		{"---a---b", "a---b", "a---b"},
		{"-", "", ""},
		{"___", "", ""},
		{"日本", "", ""},
		{"123", "123", ""},
		{"1.2.3.4", "1-2-3-4", ""},
		{"fd%gsf---gs7-f$gs--d7fddg-123", "fdgsf---gs7-fgs--d7fddg-123", "fdgsf---gs7-fgs--d7fddg1"},
		{"chronos with a space AND MIXED CASE-2.0.1", "chronoswithaspaceandmixedcase-2-0-1", "chronoswithaspaceandmixe"},
		{"nginx-router.mesosphere-tutorial", "nginx-router-mesosphere-tutorial", "nginx-router-mesospheret"},
		{strings.Repeat("a", 62) + "-bcd", strings.Repeat("a", 62) + "b", strings.Repeat("a", 24)},
		{"hello" + strings.Repeat("-", 58) + "f", "hellof", "hellof"},
		{"hello" + strings.Repeat("-", 56) + "f", "hello" + strings.Repeat("-", 56) + "f", "hellof"},
	} {
		if got := Label(tt.in, RFC1123); got != tt.rfc1123 {
			t.Errorf("Label(%q, RFC1123) = %q, want %q", tt.in, got, tt.rfc1123)
		}
		if got := Label(tt.in, RFC952); got != tt.rfc952 {
			t.Errorf("Label(%q, RFC952) = %q, want %q", tt.in, got, tt.rfc952)
		}
	}
}

func TestFragmentKeepsDots(t *testing.T) {
	for _, tt := range []struct {
		in    string
		rules Rules
		want  string
	}{
		{"marathon.prod", RFC1123, "marathon.prod"},
		{"..a..c", RFC1123, "a.c"},
		{"pod_123$abc.marathon-0.6.0-dev.mesos", RFC1123, "pod-123abc.marathon-0.6.0-dev.mesos"},
		{"pod_123$abc.marathon-0.6.0-dev.mesos", RFC952, "pod-123abc.marathon-0.dev.mesos"},
	} {
		if got := Fragment(tt.in, tt.rules); got != tt.want {
			t.Errorf("Fragment(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestIDHashAgreesWithMesosDNS(t *testing.T) {
	for in, want := range map[string]string{
		"test": "iffe9",
		"liquor-store.b8db9f73-562f-11e4-a088-c20493233aa5": "4dfjd",
		"nginx.48dccce7-90bc-11e6-ae70-70b3d5800001":        "jhy6r",
	} {
		if got := idHash(in); got != want {
			t.Errorf("idHash(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestAgentTail(t *testing.T) {
	for in, want := range map[string]string{"20140827-000744-3041283216-5050-2116-S3": "s3", "x-0": "0", "plain": "plain", "": ""} {
		if got := agentTail(in); got != want {
			t.Errorf("agentTail(%q) = %q, want %q", in, got, want)
		}
	}
}

// Whatever comes in, a label can be sent, and making a label of a label changes nothing.
func TestLabelLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := rapid.SampledFrom([]Rules{RFC1123, RFC952}).Draw(t, "rules")
		l := Label(rapid.String().Draw(t, "s"), rules)
		if l != "" && (!encodable(l) || len(l) > rules.limit() || strings.Trim(l, "-") != l) {
			t.Fatalf("label %q cannot be sent", l)
		}
		if again := Label(l, rules); again != l {
			t.Fatalf("Label(%q) = %q", l, again)
		}
	})
}

func TestFitStaysUnique(t *testing.T) {
	a, b := strings.Repeat("a", 80)+"1", strings.Repeat("a", 80)+"2"
	if fa, fb := fit(a, 62), fit(b, 62); len(fa) > 62 || len(fb) > 62 || fa == fb {
		t.Errorf("fit: %q, %q", fa, fb)
	}
}
