package client

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

type textFrame struct {
	Event, Data string
	TooLong     bool
}

func readFrames(r io.Reader, max int) ([]textFrame, error) {
	fr := newFrameReader(r, max)
	var out []textFrame
	for {
		f, err := fr.next()
		if err != nil {
			return out, err
		}
		out = append(out, textFrame{f.event, string(f.data), f.tooLong})
	}
}

func TestFrames(t *testing.T) {
	long := strings.Repeat("x", 40_000)
	for name, tc := range map[string]struct {
		in   string
		want []textFrame
	}{
		"lines may end with LF":              {"event: a\ndata: {}\n\n", []textFrame{{Event: "a", Data: "{}"}}},
		"lines may end with CRLF":            {"event: a\r\ndata: {}\r\n\r\n", []textFrame{{Event: "a", Data: "{}"}}},
		"the blank after the colon may lack": {"data:{}\n\n", []textFrame{{Data: "{}"}}},
		"data lines are joined":              {"data: 1\ndata: 2\n\n", []textFrame{{Data: "1\n2"}}},
		"comments and other fields are skipped": {
			": hi\nid: 7\nretry: 1\ndata: 1\nnonsense\n\n", []textFrame{{Data: "1"}},
		},
		"empty lines are heartbeats":         {"\n\r\n\ndata: 1\n\n\n\n", []textFrame{{Data: "1"}}},
		"blank data is skipped":              {"event: a\ndata:  \n\nevent: b\ndata: 1\n\n", []textFrame{{Event: "b", Data: "1"}}},
		"an event without data is none":      {"event: a\n\ndata: 1\n\n", []textFrame{{Data: "1"}}},
		"a frame that is cut off is none":    {"data: 1\n\ndata: 2\n", []textFrame{{Data: "1"}}},
		"documents may follow without data":  {"data: {\"a\":1}\r\n{\"b\":2}\r\n\r\n", []textFrame{{Data: "{\"a\":1}\n{\"b\":2}"}}},
		"a line may be longer than a buffer": {"data: " + long + "\n\n", []textFrame{{Data: long}}},
		"too long a line says nothing":       {"event: a\ndata: " + long + long + "\n\ndata: 1\n\n", []textFrame{{Event: "a", TooLong: true}, {Data: "1"}}},
		"too many lines say nothing":         {strings.Repeat("data: "+long+"\n", 2) + "\ndata: 1\n\n", []textFrame{{TooLong: true}, {Data: "1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			for how, r := range map[string]io.Reader{
				"whole": strings.NewReader(tc.in), "bytewise": iotest.OneByteReader(strings.NewReader(tc.in)),
			} {
				got, err := readFrames(r, 50_000)
				if d := cmp.Diff(tc.want, got); d != "" || err != io.EOF {
					t.Errorf("%s: %v %s", how, err, d)
				}
			}
		})
	}
}

func TestEventsNameTheirApps(t *testing.T) {
	for in, want := range map[string]change{
		`{"eventType":"status_update_event","appId":"/a","taskId":"b.1","index":7}`:                    {apps: []string{"/a"}, index: 7},
		`{"eventType":"instance_changed_event","runSpecId":"/a/b"}`:                                    {apps: []string{"/a/b"}},
		`{"eventType":"instance_health_changed_event","instanceId":"a_b.instance-1-2","healthy":true}`: {apps: []string{"/a/b"}},
		`{"eventType":"status_update_event","taskId":"prod_my.app.6f0e-1"}`:                            {apps: []string{"/prod/my.app"}},
		`{"eventType":"status_update_event","taskId":"a_b.instance-6f-1._app.1"}`:                      {apps: []string{"/a/b"}},
		`{"eventType":"status_update_event","taskId":"nodot"}`:                                         {all: true, apps: []string{}},
		`{"eventType":"api_post_event","appDefinition":{"id":"a"}}`:                                    {apps: []string{"/a"}},
		`{"eventType":"app_terminated_event","appId":7}`:                                               {all: true, apps: []string{}},
		`{"eventType":"deployment_success","plan":{"affectedApps":["/b"],"steps":[{"actions":[{"app":"/a"},{"app":"/b"},{"pod":"/p"}]}]}}`: {
			apps: []string{"/a", "/b"},
		},
		`{"eventType":"deployment_failed","currentStep":{"actions":[{"app":"/a"}]}}`: {apps: []string{"/a"}},
		`{"eventType":"deployment_success","id":"d"}`:                                {all: true, apps: []string{}},
		`{"eventType":"group_change_success","groupId":"/","index":9}`:               {index: 9},
		`{"eventType":"event_stream_attached","index":3}`:                            {start: true, index: 3},
	} {
		got := parseFrame(frame{data: []byte(in)})
		if d := cmp.Diff([]change{want}, got, cmp.AllowUnexported(change{})); d != "" {
			t.Errorf("%s: %s", in, d)
		}
	}
}

func TestFramesThatCannotBeRead(t *testing.T) {
	for name, tc := range map[string]struct {
		f    frame
		want []change
	}{
		"two documents":          {frame{data: []byte("{\"eventType\":\"x\",\"index\":1}\n{\"eventType\":\"x\",\"index\":2}")}, []change{{index: 1}, {index: 2}}},
		"the type of the frame":  {frame{event: "status_update_event", data: []byte(`{"appId":"/a"}`)}, []change{{apps: []string{"/a"}}}},
		"damaged and followed":   {frame{event: "status_update_event", data: []byte(`{"appId":`)}, []change{{all: true}}},
		"damaged and not":        {frame{event: "other", data: []byte(`{"appId":`)}, []change{{}}},
		"damaged without a type": {frame{data: []byte(`{"appId":`)}, []change{{all: true}}},
		"too long":               {frame{event: "api_post_event", tooLong: true}, []change{{all: true}}},
	} {
		if d := cmp.Diff(tc.want, parseFrame(tc.f), cmp.AllowUnexported(change{})); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("event: status_update_event\r\ndata: {\"appId\":\"/a\",\"index\":1}\r\n\r\n"))
	f.Add([]byte(": c\n\n\ndata: {}\ndata: {\"eventType\":\"deployment_success\",\"plan\":{}}\n\n"))
	f.Add([]byte("data: {\"a\":1}\r\n{\"b\":2}\r\n\r\ndata: [1"))
	f.Fuzz(func(t *testing.T, in []byte) {
		const max = 256
		whole, err := readFrames(bytes.NewReader(in), max)
		if err != io.EOF {
			t.Fatal(err)
		}
		bytewise, _ := readFrames(iotest.OneByteReader(bytes.NewReader(in)), max)
		if d := cmp.Diff(whole, bytewise); d != "" {
			t.Errorf("depends on how the stream is cut: %s", d)
		}
		for _, fr := range whole {
			if len(fr.Data) > max || fr.TooLong != (fr.Data == "") {
				t.Errorf("frame %+v", fr)
			}
			for _, c := range parseFrame(frame{event: fr.Event, data: []byte(fr.Data), tooLong: fr.TooLong}) {
				for _, id := range c.apps {
					if !strings.HasPrefix(id, "/") || len(id) < 2 {
						t.Errorf("app %q", id)
					}
				}
			}
		}
	})
}
