package api

import (
	"strconv"
	"time"
)

// maxDeadline is the longest a deadline may be: a week, in seconds.
const maxDeadline = 7 * 24 * 3600

// Deadline reads the labels that bound deployments of a: how long one may take, 0 for no bound, and whether it is undone
// when it took longer. Labels that validation would refuse, as an old version may have them, bound nothing.
func (a *App) Deadline() (limit time.Duration, rollback bool) {
	seconds, ok := deadlineSeconds(a.Labels[LabelDeadline])
	if !ok {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), a.Labels[LabelAutoRollback] == "true"
}

func deadlineSeconds(s string) (float64, bool) {
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && v >= 1 && v <= maxDeadline
}

func (d *draft) validateDeadline() {
	limit, bounded := d.app.Labels[LabelDeadline]
	undo, given := d.app.Labels[LabelAutoRollback]
	at := child("/labels", LabelAutoRollback)
	if _, ok := deadlineSeconds(limit); bounded && !ok {
		d.add(child("/labels", LabelDeadline), "%s: expected seconds from 1 to %d", quote(limit), maxDeadline)
	}
	switch {
	case !given:
	case undo != "true" && undo != "false":
		d.add(at, "%s: expected true or false", quote(undo))
	case undo == "true" && !bounded:
		d.add(at, "needs the label %s, which says when a deployment has failed", LabelDeadline)
	}
}
