package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"berth/cmd/internal/cli"
	"berth/orchestrator/api"
	"berth/orchestrator/client"
)

// steps checks the flags and returns the shares of the canary.
func (c *canaryFlags) steps() ([]share, error) {
	if c.blueGreen && c.shares != "" {
		return nil, cli.Usagef("deploy: expected --canary or --blue-green, not both")
	}
	if c.blueGreen {
		return []share{0}, nil
	}
	list, err := parseShares(c.shares)
	switch {
	case err != nil:
		return nil, cli.Usagef("deploy: --canary %v", err)
	case len(list) > 1 && c.hold <= 0:
		return nil, cli.Usagef("deploy: several shares need --hold, the time after each step")
	case c.instances < 0:
		return nil, cli.Usagef("deploy: --canary-instances %d: expected 1 or more", c.instances)
	}
	return list, nil
}

// deployCanary brings a definition of an app in as its canary and takes it through its steps. A canary that does not become
// or stay healthy is taken away.
func (r *remote) deployCanary(id string, definition []byte, c *canaryFlags, w *writeFlags) error {
	steps, err := c.steps()
	if err != nil {
		return err
	}
	if !w.wait {
		return cli.Usagef("deploy: a canary is waited for; --wait=false does not go with it")
	}
	app, err := r.c.App(r.ctx, id)
	if err != nil {
		return explain("deploy a canary of "+id, err)
	}
	n := c.instances
	switch {
	case n > 0:
	case c.blueGreen:
		n = max(1, app.Instances)
	default:
		n = steps[len(steps)-1].instances(app.Instances)
	}
	doc, err := canaryOf(id, definition, steps[0], n)
	if err != nil {
		return cli.Usagef("deploy: %v", err)
	}
	res, err := r.c.CreateApp(r.ctx, doc, w.options())
	if err != nil {
		return explain("deploy a canary of "+id, err)
	}
	r.notes(res)
	if err := r.takeThrough(id, res, steps, c, w); err != nil {
		return err
	}
	if c.promote {
		return r.promote(id, w)
	}
	fmt.Fprintf(r.out, "%s gets %s of the traffic of %s; promote, abort or weight it by berth deploy\n", canaryID(id),
		steps[len(steps)-1], id)
	return nil
}

// takeThrough waits for the canary and takes it from share to share.
func (r *remote) takeThrough(id string, res client.Result, steps []share, c *canaryFlags, w *writeFlags) error {
	canary := canaryID(id)
	for i, s := range steps {
		if i > 0 {
			var err error
			if res, err = r.setShare(id, s, w); err != nil {
				return r.takeAway(id, err, w)
			}
		}
		if res.App != nil {
			res.Version = max(res.Version, res.App.Version)
		}
		if err := r.waitFor([]change{{id: canary, result: res.DeploymentResult}}, w); err != nil {
			return r.takeAway(id, err, w)
		}
		r.say("%s gets %s of the traffic", canary, s)
		if err := r.holds(canary, c.hold); err != nil {
			return r.takeAway(id, err, w)
		}
	}
	return nil
}

// holds watches that a canary stays whole for a while.
func (r *remote) holds(canary string, hold time.Duration) error {
	ctx, cancel := context.WithTimeout(r.ctx, hold)
	defer cancel()
	began := api.TimestampOf(time.Now())
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return r.ctx.Err()
		case <-tick.C:
		}
		app, err := r.c.App(ctx, canary)
		switch {
		case ctx.Err() != nil:
			return r.ctx.Err()
		case err != nil && temporary(err):
			r.say("no answer, trying again: %v", err)
		case err != nil:
			return explain("watch "+canary, err)
		default:
			if why := unwell(app, began); why != "" {
				return fmt.Errorf("%s is not well: %s", canary, why)
			}
		}
	}
}

// unwell says what is wrong with an app that was whole at a moment, or "".
func unwell(app *api.AppInfo, since api.Timestamp) string {
	if f := app.LastTaskFailure; f != nil && f.Timestamp >= since {
		return fmt.Sprintf("%s %s", f.State, f.Message)
	}
	if n := countTasks(app); !n.complete(app) {
		return n.describe(app, nil)
	}
	return ""
}

// takeAway removes a canary because of an error, which it returns.
func (r *remote) takeAway(id string, because error, w *writeFlags) error {
	if r.ctx.Err() != nil { // interrupted: the canary is the user's to decide about
		return because
	}
	var late unfinished
	if errors.As(because, &late) {
		because = errors.New(strings.ReplaceAll(late.Error(), "accepted", "started")) // it is not going on: exit code 1
	}
	r.say("taking the canary of %s away", id)
	if err := r.abort(id, w); err != nil {
		return errors.Join(because, err)
	}
	return because
}

// canary reads the canary of an app.
func (r *remote) canary(id string) (*api.AppInfo, error) {
	app, err := r.c.App(r.ctx, canaryID(id))
	switch {
	case api.CodeOf(err) == api.CodeNotFound:
		return nil, fmt.Errorf("%s has no canary; berth deploy FILE --canary makes one", id)
	case err != nil:
		return nil, explain("read the canary of "+id, err)
	case app.Labels[api.LabelCanaryOf] != id:
		return nil, fmt.Errorf("%s is no canary of %s: its label %s is %q", app.ID, id, api.LabelCanaryOf, app.Labels[api.LabelCanaryOf])
	}
	return app, nil
}

// setShare gives a canary another share of the traffic.
func (r *remote) setShare(id string, s share, w *writeFlags) (client.Result, error) {
	app, err := r.canary(id)
	if err != nil {
		return client.Result{}, err
	}
	app.Labels[api.LabelCanaryWeight] = fmt.Sprint(int(s))
	doc, err := json.Marshal(object{"labels": app.Labels})
	if err != nil {
		return client.Result{}, err
	}
	res, err := r.c.PatchApp(r.ctx, app.ID, doc, w.options())
	if err != nil {
		return client.Result{}, explain("weight "+app.ID, err)
	}
	return res, nil
}

// promote makes an app what its canary is, and takes the canary away when that is done.
func (r *remote) promote(id string, w *writeFlags) error {
	canary, err := r.canary(id)
	if err != nil {
		return err
	}
	definition := canary.Labels[api.LabelCanaryDefinition]
	if definition == "" {
		return fmt.Errorf("promote %s: the canary lacks the label %s, which holds what the app is to be", id, api.LabelCanaryDefinition)
	}
	wait := *w
	wait.wait = true
	if err := r.deploy(id, []byte(definition), &wait); err != nil {
		return fmt.Errorf("%w\n  the canary is still there: berth deploy abort takes it away", err)
	}
	return r.abort(id, w)
}

// abort takes the canary of an app away.
func (r *remote) abort(id string, w *writeFlags) error {
	if _, err := r.canary(id); err != nil {
		return err
	}
	opt := w.options()
	opt.Force = true
	res, err := r.c.DeleteApp(r.ctx, canaryID(id), opt)
	if err != nil {
		return explain("remove "+canaryID(id), err)
	}
	return r.finish(canaryID(id), verbRemoved, res, w)
}
