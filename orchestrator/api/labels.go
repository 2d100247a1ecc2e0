package api

// Label keys that Berth itself reads. The per-port labels of the load balancer, HAPROXY_<n>_…, are listed in mlb/model.
const (
	LabelHAProxyGroup   = "HAPROXY_GROUP"
	LabelHAProxyPrefix  = "HAPROXY_"
	LabelVIPPrefix      = "VIP_"
	LabelSingleInstance = "MARATHON_SINGLE_INSTANCE_APP"
	// LabelDrainSeconds bounds, per app, how long a task that is to be stopped waits for the balancer to let go of it.
	LabelDrainSeconds = "BERTH_DRAIN_SECONDS"
)
