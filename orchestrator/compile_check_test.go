package orchestrator

import "berth/orchestrator/httpapi"

var _ httpapi.Backend = (*Orchestrator)(nil)
