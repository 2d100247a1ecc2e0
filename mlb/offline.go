package mlb

import (
	"context"
	"errors"

	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/mlb/render"
)

// Offline renders a model without a daemon. check, if not nil, says whether HAProxy takes an output, by a
// *haproxy.CheckError when it does not; apps it refuses are left out and reported. An error means that there is no valid
// configuration even so.
func Offline(ctx context.Context, m *model.Model, opt render.Options, check func(context.Context, *render.Output) error,
) (*render.Output, []model.Problem, error) {
	r, problems := render.New(opt)
	out, found := r.Render(m)
	if check == nil {
		return out, append(problems, found...), nil
	}
	c := &court{built: m, guilty: map[string]bool{}, check: check,
		render: func(m *model.Model) *render.Output { o, _ := r.Render(m); return o }}
	for {
		err := check(ctx, out)
		var refused *haproxy.CheckError
		if err == nil || !errors.As(err, &refused) {
			return out, append(problems, found...), err
		}
		guilty, err2 := c.judge(ctx, refused)
		if err2 != nil || len(guilty) == 0 {
			return out, append(problems, found...), errors.Join(err, err2)
		}
		for app, reason := range guilty {
			c.guilty[app] = true
			problems = append(problems, model.Problem{App: app, Severity: model.SeverityError,
				Reason: model.Shorten("HAProxy refuses it: "+reason) + "; the app is left out"})
		}
		out, found = r.Render(substitute(m, nil, c.guilty))
	}
}
