package httpapi

import (
	"net/http"

	"berth/orchestrator/api"
)

// listDeployments is GET /v2/deployments: a bare list of those running.
func (s *Server) listDeployments(w http.ResponseWriter, c *call) error {
	running := s.backend.Deployments()
	out := make([]api.Deployment, len(running))
	for i, d := range running {
		out[i] = filledDeployment(d)
	}
	return s.reply(w, c, http.StatusOK, out)
}

// showDeployment is GET /v2/deployments/{id}, Berth's own: a deployment that runs or has ended lately.
func (s *Server) showDeployment(w http.ResponseWriter, c *call) error {
	d, ok := s.backend.Deployment(c.arg)
	if !ok {
		return api.NotFound("DeploymentPlan", c.arg)
	}
	return s.reply(w, c, http.StatusOK, filledDeployment(d))
}

// cancelDeployment is DELETE /v2/deployments/{id}: roll back by a new deployment, or with force only stop.
func (s *Server) cancelDeployment(w http.ResponseWriter, c *call) error {
	opt := c.writeOptions(false)
	res, err := s.backend.CancelDeployment(c.Context(), c.arg, opt)
	if err != nil {
		return err
	}
	if opt.Force {
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	announce(w, res.DeploymentID, api.Notes{}, nil)
	return s.reply(w, c, http.StatusOK, res)
}
