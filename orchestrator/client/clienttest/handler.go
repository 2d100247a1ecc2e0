package clienttest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"berth/orchestrator/api"
)

// serve answers one request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	b := s.b
	if b.status != 0 && b.failing > 0 {
		if s.b.failing--; s.b.failing == 0 {
			s.b.status = 0
		}
	}
	lie := false
	if r.URL.Path == "/v2/apps" && b.emptyLists > 0 && b.status == 0 {
		s.b.emptyLists--
		lie = true
	}
	s.mu.Unlock()
	switch path := strings.TrimSuffix(r.URL.Path, "/"); {
	case b.status != 0:
		w.WriteHeader(b.status)
		fmt.Fprint(w, b.body)
	case path == "/v2/events":
		s.events(w, r, b)
	case path == "/v2/apps" && r.Method == http.MethodGet:
		s.list(w, r, b, lie)
	case strings.HasPrefix(path, "/v2/apps/") && r.Method == http.MethodGet:
		s.one(w, r, b, path[len("/v2/apps"):])
	case path == "/v1/acks" && r.Method == http.MethodPost && !b.plain:
		s.ack(w, r)
	default:
		refuse(w, http.StatusNotFound, "not here")
	}
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

func (s *Server) list(w http.ResponseWriter, r *http.Request, b behaviour, lie bool) {
	apps, index := s.c.list()
	if lie {
		apps = []json.RawMessage{}
	}
	var body bytes.Buffer
	body.WriteString(`{"apps":[`)
	for i, a := range apps {
		if i > 0 {
			body.WriteByte(',')
		}
		body.Write(a)
	}
	body.WriteString(`]}`)
	s.answer(w, r, b, index, body.Bytes())
}

func (s *Server) one(w http.ResponseWriter, r *http.Request, b behaviour, id string) {
	text, index := s.c.app(id)
	if text == nil {
		s.wait(r, b.delay)
		if !b.plain {
			w.Header().Set(api.IndexHeader, strconv.FormatUint(index, 10))
		}
		refuse(w, http.StatusNotFound, "App '"+id+"' does not exist")
		return
	}
	s.answer(w, r, b, index, fmt.Appendf(nil, `{"app":%s}`, text))
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, b behaviour, index uint64, body []byte) {
	s.wait(r, b.delay)
	w.Header().Set("Content-Type", "application/json")
	if !b.plain {
		w.Header().Set(api.IndexHeader, strconv.FormatUint(index, 10))
	}
	if !b.gzip || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		_, _ = w.Write(body)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	defer z.Close()
	_, _ = z.Write(body)
}

func (s *Server) wait(r *http.Request, d time.Duration) {
	if d == 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	case <-s.done:
	}
}

func (s *Server) ack(w http.ResponseWriter, r *http.Request) {
	var a api.Ack
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&a); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	s.c.mu.Lock()
	s.c.acks = append(s.c.acks, a)
	s.c.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}
