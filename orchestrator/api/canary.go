package api

import "strconv"

// validateCanary checks the labels that make an app the canary of another one.
func (d *draft) validateCanary() {
	of, isCanary := d.app.Labels[LabelCanaryOf]
	weight, weighted := d.app.Labels[LabelCanaryWeight]
	if isCanary {
		switch id, err := ParseID(of, "/"); {
		case err != nil:
			d.add(child("/labels", LabelCanaryOf), "%s: expected the id of an app", quote(of))
		case id == d.app.ID:
			d.add(child("/labels", LabelCanaryOf), "%s is the app itself; expected the id of another one", quote(of))
		}
	}
	if !weighted {
		return
	}
	if n, err := strconv.Atoi(weight); err != nil || n < 0 || n > 100 {
		d.add(child("/labels", LabelCanaryWeight), "%s: expected percent from 0 to 100", quote(weight))
	}
}
