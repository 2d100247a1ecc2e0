package httpapi

import (
	"net/http"
	"slices"

	"berth/orchestrator/api"
)

// listQueue is GET /v2/queue: the apps that are not at their target, and why.
func (s *Server) listQueue(w http.ResponseWriter, c *call) error {
	entries := s.backend.Queue()
	offers := slices.Contains(c.query["embed"], "lastUnusedOffers")
	out := make([]api.QueueEntry, len(entries))
	for i, e := range entries {
		out[i] = filledQueueEntry(e)
		out[i].LastUnusedOffers = nil
		if offers {
			out[i].LastUnusedOffers = []struct{}{}
		}
	}
	return s.reply(w, c, http.StatusOK, struct {
		Queue []api.QueueEntry `json:"queue"`
	}{out})
}

// resetDelay is DELETE /v2/queue/{id}/delay.
func (s *Server) resetDelay(w http.ResponseWriter, c *call) error {
	id, err := api.ParseID(c.id, "/")
	if err == nil {
		err = s.backend.ResetDelay(id)
	} else {
		err = &api.Error{Code: api.CodeNotFound, Message: "App '" + c.id + "' is not in the queue"}
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
