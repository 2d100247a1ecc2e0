package api

import "reflect"

// setDefaults fills a struct that is about to be decoded with what absent members mean (sections 3, 4, 5 and 11).
// Members whose default depends on others are filled in by normalisation.
func setDefaults(v reflect.Value) {
	switch p := v.Addr().Interface().(type) {
	case *App:
		*p = defaultApp()
	case *UpgradeStrategy:
		*p = UpgradeStrategy{MinimumHealthCapacity: 1, MaximumOverCapacity: 1}
	case *Container:
		p.Type = ContainerDocker
	case *Volume:
		p.Mode = VolumeReadWrite
	case *Network:
		p.Mode = NetworkContainer
	case *PortMapping:
		p.Protocol = "tcp"
	case *PortDefinition:
		p.Protocol = "tcp"
	case *DiscoveryPort:
		p.Protocol = "tcp"
	case *Fetch:
		p.Extract = true
	case *HealthCheck:
		*p = defaultHealthCheck()
	case *ReadinessCheck:
		*p = defaultReadinessCheck()
	}
}

func defaultApp() App {
	return App{
		Instances:             1,
		CPUs:                  1,
		Mem:                   128,
		UpgradeStrategy:       UpgradeStrategy{MinimumHealthCapacity: 1, MaximumOverCapacity: 1},
		BackoffSeconds:        1,
		BackoffFactor:         1.15,
		MaxLaunchDelaySeconds: 300,
		KillSelection:         YoungestFirst,
		Role:                  "*",
	}
}

func defaultHealthCheck() HealthCheck {
	return HealthCheck{
		Protocol:               ProtocolHTTP,
		GracePeriodSeconds:     300,
		IntervalSeconds:        60,
		TimeoutSeconds:         20,
		MaxConsecutiveFailures: 3,
		DelaySeconds:           15,
	}
}

func defaultReadinessCheck() ReadinessCheck {
	return ReadinessCheck{
		Name:                    "readinessCheck",
		Protocol:                ProtocolHTTP,
		Path:                    "/",
		PortName:                "http-api",
		IntervalSeconds:         30,
		TimeoutSeconds:          10,
		HTTPStatusCodesForReady: []int{200},
	}
}
