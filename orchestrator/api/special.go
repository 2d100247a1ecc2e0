package api

import "reflect"

// fieldRule says what to do with a field that is not simply decoded.
type fieldRule func(d *decoder, n *node, path string)

// refuse answers 422: the field asks for something Berth does not do.
func refuse(d *decoder, n *node, path string) {
	if n.kind != kindNull {
		d.add(path, "not supported")
	}
}

// refuseUnlessEmpty lets an empty object pass, as many generators write one.
func refuseUnlessEmpty(d *decoder, n *node, path string) {
	if n.kind == kindObject && len(n.items) == 0 {
		return
	}
	refuse(d, n, path)
}

// drop takes a known field that has no place in a definition: read-only, or without meaning here.
func drop(*decoder, *node, string) {}

// specialFields are the REFUSE and DROP rows of section 3, by the struct they appear in.
var specialFields = map[reflect.Type]map[string]fieldRule{
	reflect.TypeFor[App](): {
		"check":     refuse,
		"residency": refuse,
		"secrets":   refuseUnlessEmpty,

		"versionInfo":           drop,
		"tasks":                 drop,
		"tasksStaged":           drop,
		"tasksRunning":          drop,
		"tasksHealthy":          drop,
		"tasksUnhealthy":        drop,
		"deployments":           drop,
		"lastTaskFailure":       drop,
		"readinessCheckResults": drop,
		"taskStats":             drop,
		"tasksStats":            drop,
	},
	reflect.TypeFor[Docker](): {
		"credential": refuse,
		"pullConfig": refuse,
	},
	reflect.TypeFor[Volume](): {
		"persistent": refuse,
		"external":   refuse,
		"secret":     refuse,
	},
	reflect.TypeFor[IPAddress](): {
		"groups": drop,
	},
}
