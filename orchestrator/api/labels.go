package api

// Label keys that Berth itself reads. The per-port labels of the load balancer, HAPROXY_<n>_…, are listed in mlb/model.
const (
	LabelHAProxyGroup   = "HAPROXY_GROUP"
	LabelHAProxyPrefix  = "HAPROXY_"
	LabelVIPPrefix      = "VIP_"
	LabelSingleInstance = "MARATHON_SINGLE_INSTANCE_APP"
	// LabelDrainSeconds bounds, per app, how long a task that is to be stopped waits for the balancer to let go of it.
	LabelDrainSeconds = "BERTH_DRAIN_SECONDS"
	// LabelDeadline bounds, in seconds, how long a deployment that changes the app may take before it counts as failed;
	// LabelAutoRollback, "true" or "false", says whether it is then undone. Labels, so that any Marathon client can carry
	// them (marathon-api.md section 15).
	LabelDeadline     = "DEPLOYMENT_DEADLINE_SECONDS"
	LabelAutoRollback = "DEPLOYMENT_AUTO_ROLLBACK"
	// LabelCanaryOf makes an app the canary of another one, named by its id: balancers send part of the other's traffic to
	// the canary's tasks. LabelCanaryWeight is that part in percent, 0 to 100; without it every task gets the same. A change
	// of the weight replaces no task.
	LabelCanaryOf     = "BERTH_CANARY_OF"
	LabelCanaryWeight = "BERTH_CANARY_WEIGHT"
	// LabelCanaryDefinition is what the other app shall become: the definition that was deployed as the canary.
	LabelCanaryDefinition = "BERTH_CANARY_DEFINITION"
)
