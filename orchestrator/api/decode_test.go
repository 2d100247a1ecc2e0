package api

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plain is a process app with more fields, docker a bridge app with more fields in its container.
func plain(fields string) string {
	return `{"id":"/x","cmd":"sleep 1",` + fields + `}`
}

func docker(container string) string {
	return `{"id":"/x","networks":[{"mode":"container/bridge"}],"container":{"type":"DOCKER","docker":{"image":"nginx"},` +
		container + `}}`
}

func TestWrongTypesNameTheirPath(t *testing.T) {
	for _, c := range []struct {
		name, document string
		want           []string
	}{
		{"fraction for an integer", plain(`"instances":2.5`), []string{"/instances"}},
		{"text for an integer", plain(`"instances":"2"`), []string{"/instances"}},
		{"integer beyond 32 bits", plain(`"instances":2147483648`), []string{"/instances"}},
		{"integer below 32 bits", plain(`"instances":-2147483649`), []string{"/instances"}},
		{"text for a number", plain(`"cpus":"1"`), []string{"/cpus"}},
		{"number beyond 64 bits", plain(`"mem":1e400`), []string{"/mem"}},
		{"number for text", plain(`"user":1`), []string{"/user"}},
		{"text for a truth value", plain(`"requirePorts":"true"`), []string{"/requirePorts"}},
		{"object for a list", plain(`"constraints":{}`), []string{"/constraints"}},
		{"list for an object", plain(`"labels":[]`), []string{"/labels"}},
		{"number as a label", plain(`"labels":{"a":1}`), []string{"/labels/a"}},
		{"number in the environment", plain(`"env":{"A":1,"B":true}`), []string{"/env/A", "/env/B"}},
		{"deep in lists", docker(`"portMappings":[{"containerPort":80},{"containerPort":"80","labels":{"VIP_0":7}}]`),
			[]string{"/container/portMappings(1)/containerPort", "/container/portMappings(1)/labels/VIP_0"}},
		{"null in a list", plain(`"constraints":[["a","UNIQUE"],null,["b",null]]`),
			[]string{"/constraints(1)", "/constraints(2)(1)"}},
		{"all of them at once", plain(`"instances":"1","cpus":"1","healthChecks":[{"command":"x"}],"fetch":[1]`),
			[]string{"/cpus", "/fetch(0)", "/healthChecks(0)/command", "/instances"}},
		{"version", plain(`"version":"yesterday"`), []string{"/version"}},
		{"unreachable strategy of another word", plain(`"unreachableStrategy":"never"`), []string{"/unreachableStrategy"}},
		{"unreachable strategy of another type", plain(`"unreachableStrategy":3`), []string{"/unreachableStrategy"}},
		{"number too large in a kept object", docker(`"linuxInfo":{"a":[1e999]}`), []string{"/container/linuxInfo/a(0)"}},
		{"a list as the document", `[]`, []string{"/"}},
		{"text as the document", `"x"`, []string{"/"}},
		{"null as the document", `null`, []string{"/"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := ParseApp([]byte(c.document))
			wantPaths(t, err, c.want...)
			var e *Error
			if errors.As(err, &e) && (e.Code != CodeInvalid || e.Message != "Invalid JSON") {
				t.Errorf("code %s, message %q", e.Code, e.Message)
			}
		})
	}
}

func TestWholeNumbersInAnySpelling(t *testing.T) {
	for text, want := range map[string]int{"2": 2, "2.0": 2, "2e0": 2, "20e-1": 2, "0.2E1": 2, "-0": 0, "2147483647": 1<<31 - 1} {
		if app := mustParse(t, plain(`"instances":`+text)); app.Instances != want {
			t.Errorf("%s: found %d, expected %d", text, app.Instances, want)
		}
	}
}

func TestKeysAreCaseSensitive(t *testing.T) {
	app, notes, err := ParseApp([]byte(plain(`"Instances":5,"LABELS":{"a":"b"}`)))
	if err != nil {
		t.Fatal(err)
	}
	if app.Instances != 1 || len(app.Labels) != 0 {
		t.Errorf("a key of other case was taken: %+v", app)
	}
	if diff := cmp.Diff([]string{"/Instances", "/LABELS"}, notes.Unknown); diff != "" {
		t.Error(diff)
	}
}

func TestUnknownFieldsAreListedAtAnyDepth(t *testing.T) {
	_, notes, err := ParseApp([]byte(`{"id":"/x","maintainer":{"name":"x"},"container":{"foo":1,"docker":{"image":"a","bar":[],
		"parameters":[{"key":"rm","value":"","x":null}]},"portMappings":[{"a":{"b":1}},{"hostport":1}]},
		"healthChecks":[{"portname":"x"}],"networks":[{"mode":"container/bridge","kind":""}],
		"upgradeStrategy":{"max":1},"unreachableStrategy":{"foo":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/maintainer", "/container/foo", "/container/docker/bar", "/container/docker/parameters(0)/x",
		"/container/portMappings(0)/a", "/container/portMappings(1)/hostport", "/healthChecks(0)/portname",
		"/networks(0)/kind", "/upgradeStrategy/max", "/unreachableStrategy/foo",
	}
	if diff := cmp.Diff(want, notes.Unknown); diff != "" {
		t.Error(diff)
	}
	wantPaths(t, notes.Strict(), want...)
	if err := (Notes{Warnings: []string{"x"}}).Strict(); err != nil {
		t.Errorf("a warning is no unknown field: %v", err)
	}
}

func TestOddNamesCannotBreakALine(t *testing.T) {
	_, notes, err := ParseApp([]byte(plain(`"a\nb: c":1,"é":1,"` + strings.Repeat("k", 5000) + `":1`)))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`/"a\nb: c"`, `/"\u00e9"`, "/" + strings.Repeat("k", 100) + "..."}
	if diff := cmp.Diff(want, notes.Unknown); diff != "" {
		t.Error(diff)
	}
}

func TestReadOnlyFieldsAreDroppedWithoutNote(t *testing.T) {
	app, notes, err := ParseApp([]byte(plain(`"version":"2024-01-01T00:00:00.000Z","versionInfo":{"lastScalingAt":"x"},"tasks":7,
		"tasksStaged":0,"tasksRunning":1,"tasksHealthy":1,"tasksUnhealthy":0,"deployments":[{"id":"d"}],"lastTaskFailure":{},
		"readinessCheckResults":[],"taskStats":{},"secrets":{},"residency":null,"check":null`)))
	if err != nil {
		t.Fatal(err)
	}
	if len(notes.Unknown)+len(notes.Warnings) > 0 || app.Version != 0 || app.VersionInfo != nil {
		t.Errorf("notes %+v, version %v, %v", notes, app.Version, app.VersionInfo)
	}
}

func TestUnsupportedFieldsAreRefused(t *testing.T) {
	for document, want := range map[string]string{
		plain(`"residency":{}`):                      "/residency",
		plain(`"check":{"http":{}}`):                 "/check",
		plain(`"secrets":{"s":{"source":"/x"}}`):     "/secrets",
		plain(`"secrets":1`):                         "/secrets",
		plain(`"env":{"A":{"secret":"s"},"B":"ok"}`): "/env/A",
		plain(`"gpus":1`):                            "/gpus",
		plain(`"executor":"/bin/my-executor"`):       "/executor",
		docker(`"volumes":[{"containerPath":"/d","hostPath":"/h","persistent":{"size":1}}]`): "/container/volumes(0)/persistent",
		docker(`"volumes":[{"containerPath":"/d","hostPath":"/h","external":{}}]`):           "/container/volumes(0)/external",
		docker(`"volumes":[{"containerPath":"/d","hostPath":"/h","secret":"s"}]`):            "/container/volumes(0)/secret",
		`{"id":"/x","container":{"docker":{"image":"a","credential":{}}}}`:                   "/container/docker/credential",
		`{"id":"/x","container":{"docker":{"image":"a","pullConfig":{}}}}`:                   "/container/docker/pullConfig",
	} {
		_, _, err := ParseApp([]byte(document))
		wantPaths(t, err, want)
		var e *Error
		if errors.As(err, &e) && (e.Message != "Object is not valid" || !strings.Contains(err.Error(), "not supported")) &&
			want != "/executor" {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestRefusedFieldsAndBrokenRulesComeTogether(t *testing.T) {
	_, _, err := ParseApp([]byte(`{"id":"/X","residency":{},"cpus":0}`))
	wantPaths(t, err, "/", "/cpus", "/id", "/residency")
}

func TestTextThatIsNotJSON(t *testing.T) {
	for _, c := range []struct{ document, parserText string }{
		{"", "empty"},
		{" \n", "empty"},
		{"{", "unexpected end"},
		{"{\"id\":\"/x\",\n  \"cmd\": sleep}", "line 2, column 10: invalid character 's'"},
		{`{"id":"/x"} x`, "after top-level value"},
		{`{"id":"/x"}{"id":"/y"}`, "after top-level value"},
		{`{"id":"/x",}`, "invalid character '}'"},
		{`{'id':1}`, "invalid character"},
		{`{"a":01}`, "invalid character"},
		{`{"a":NaN}`, "invalid character"},
		{"{\"a\":\"\xff\"}", "UTF-8"},
		{strings.Repeat("[", 20000), "depth"},
	} {
		_, _, err := ParseApp([]byte(c.document))
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeMalformed || e.Message != "Invalid JSON" {
			t.Errorf("%.40q: %v", c.document, err)
			continue
		}
		if !strings.Contains(e.ParserText, c.parserText) {
			t.Errorf("%.40q: parser text %q lacks %q", c.document, e.ParserText, c.parserText)
		}
	}
}

func TestByteOrderMarkIsIgnored(t *testing.T) {
	mustParse(t, "\ufeff"+plain(`"instances":1`))
}

func TestLastOfRepeatedKeysCountsWithAWarning(t *testing.T) {
	app, notes, err := ParseApp([]byte(plain(`"instances":2,"instances":3,"labels":{"a":"1","a":"2"}`)))
	if err != nil {
		t.Fatal(err)
	}
	if app.Instances != 3 || app.Labels["a"] != "2" || len(notes.Warnings) != 2 {
		t.Errorf("%d, %v, %q", app.Instances, app.Labels, notes.Warnings)
	}
}

func TestDocumentsHaveLimits(t *testing.T) {
	deep := strings.Repeat(`{"a":`, MaxDepth) + `{}` + strings.Repeat("}", MaxDepth)
	_, _, err := ParseApp([]byte(deep))
	wantPaths(t, err, "/")
	if _, err := Decode([]byte(deep[len(`{"a":`):len(deep)-1]), &struct{}{}); err != nil {
		t.Errorf("%d levels: %v", MaxDepth, err)
	}
	zeros := strings.Repeat("0,", MaxItems)
	mustParse(t, plain(`"ports":[`+zeros[:len(zeros)-1]+`]`))
	_, _, err = ParseApp([]byte(plain(`"ports":[` + zeros + `0]`)))
	wantPaths(t, err, "/ports")
	_, _, err = ParseApp([]byte(plain(`"user":"` + strings.Repeat("x", MaxDocument) + `"`)))
	if CodeOf(err) != CodeTooLarge {
		t.Errorf("large document: %v", err)
	}
}

func TestAnswerToManyMistakesIsBounded(t *testing.T) {
	many := strings.Repeat(`"x",`, 5000)
	_, _, err := ParseApp([]byte(plain(`"ports":[` + many[:len(many)-1] + `]`)))
	var e *Error
	if !errors.As(err, &e) || len(e.Details) != maxReported+1 {
		t.Fatalf("%d details", len(e.Details))
	}
	if last := e.Details[maxReported].Errors[0]; last != "and 4500 more places" {
		t.Errorf("last: %s", last)
	}
}

func TestDecodeReadsOtherDocumentsByTheSameRules(t *testing.T) {
	var body struct {
		IDs []string `json:"ids"`
		N   int      `json:"n"`
	}
	notes, err := Decode([]byte(`{"ids":["a.b"],"n":1.0,"IDS":[]}`), &body)
	if err != nil || len(body.IDs) != 1 || body.N != 1 || len(notes.Unknown) != 1 {
		t.Errorf("%+v %+v %v", body, notes, err)
	}
	_, err = Decode([]byte(`{"ids":"a.b"}`), &body)
	wantPaths(t, err, "/ids")
	_, err = Decode([]byte(`x`), &body)
	wantPaths(t, err, "malformed")
}

func TestKeptObjectsAreKeptWithoutNulls(t *testing.T) {
	app := mustParse(t, docker(`"linuxInfo":{"seccomp":{"unconfined":true,"x":null},"list":[1,null,"a",[]]}`))
	sameDocument(t, `{"seccomp":{"unconfined":true},"list":[1,"a",[]]}`, mustMarshal(t, app.Container.LinuxInfo))
}
