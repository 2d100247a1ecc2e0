package mlb

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/mlb/render"
)

// court finds the apps because of which HAProxy refuses a model.
type court struct {
	built, last *model.Model
	guilty      map[string]bool // known ones
	render      func(*model.Model) *render.Output
	check       func(context.Context, *render.Output) error
	limit       time.Duration // for one check; 0 leaves it to check
}

// judge returns newly found apps with the reason. HAProxy's messages mostly name a section, and with it the app; otherwise
// the apps that changed since the last success are bisected. None are found when it is not an app's fault.
func (c *court) judge(ctx context.Context, refused *haproxy.CheckError) (map[string]string, error) {
	if found := c.named(refused); len(found) > 0 {
		return found, nil
	}
	return c.search(ctx)
}

// named reads the apps out of the messages.
func (c *court) named(refused *haproxy.CheckError) map[string]string {
	apps := map[string]string{}
	for _, s := range c.built.Services {
		apps[s.Name], apps["user_"+s.Name] = s.App, s.App
	}
	found := map[string]string{}
	for _, r := range refused.Reasons {
		if app, ok := apps[r.Section]; ok && !c.guilty[app] && found[app] == "" {
			found[app] = strings.TrimSpace(r.Message)
		}
	}
	return found
}

// While suspects are bisected, a check may take patience times as long as the one without any of them, and eachService for
// each service on top (HAProxy takes a tenth of that), but leastPatience at least. An app for which HAProxy takes for ever
// would otherwise hold everything up for the whole of the check's timeout, again and again.
const (
	patience      = 5
	eachService   = time.Millisecond
	leastPatience = 5 * time.Second
)

// search bisects.
func (c *court) search(ctx context.Context) (map[string]string, error) {
	var suspects []string
	all := map[string]bool{}
	for _, app := range changedApps(c.last, c.built) {
		if !c.guilty[app] {
			suspects = append(suspects, app)
			all[app] = true
		}
	}
	began := time.Now()
	if ok, err := c.accept(ctx, all); err != nil || !ok {
		return nil, err // it is none of them
	}
	c.limit = max(leastPatience, patience*time.Since(began)+time.Duration(len(c.built.Services))*eachService)
	guilty, err := bisect(ctx, suspects, c.accept)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for app := range guilty {
		others := maps.Clone(guilty)
		delete(others, app)
		if err := c.try(ctx, others); err != nil {
			found[app] = err.Error()
		}
	}
	return found, nil
}

// try checks the model without some apps.
func (c *court) try(ctx context.Context, without map[string]bool) error {
	if c.limit > 0 {
		one, cancel := context.WithTimeout(ctx, c.limit)
		defer cancel()
		ctx = one
	}
	aside := maps.Clone(without)
	maps.Copy(aside, c.guilty)
	return c.check(ctx, c.render(substitute(c.built, c.last, aside)))
}

func (c *court) accept(ctx context.Context, without map[string]bool) (bool, error) {
	err := c.try(ctx, without)
	var refused *haproxy.CheckError
	if err == nil || errors.As(err, &refused) {
		return err == nil, nil
	}
	return false, err
}
