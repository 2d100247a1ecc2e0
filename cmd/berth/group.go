package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
	"berth/orchestrator/api"
	"berth/orchestrator/client"
)

func newGroup() *cobra.Command {
	return group("group", "change several apps in one deployment", newGroupList(), newGroupShow(), newGroupAdd(), newGroupUpdate(),
		newGroupScale(), newGroupRemove(), newGroupVersions(), newGroupRollback())
}

func newGroupList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [ID]",
		Short: "list a group, or all, with those below",
		Args:  argsBetween(0, 1),
		RunE: withRemote(func(r *remote, args []string) error {
			id := absolute(strings.Join(args, ""))
			g, err := r.c.Group(r.ctx, id)
			if err != nil {
				return explain("list groups", err)
			}
			if r.json {
				return printJSON(r.out, g)
			}
			t := newTable(r.out, "GROUP", "APPS", "TASKS", "DEPENDS ON")
			groupRows(t, g)
			return t.flush()
		}),
	}
	addOutputFlag(cmd)
	return cmd
}

// groupRows adds a row for g and each group below it; tasks are "running/wanted" of the apps directly in the group.
func groupRows(t *table, g *api.GroupInfo) {
	running, wanted := 0, 0
	for _, a := range g.Apps {
		wanted += a.Instances
		if a.TasksRunning != nil {
			running += *a.TasksRunning
		}
	}
	t.row(g.ID, strconv.Itoa(len(g.Apps)), fmt.Sprintf("%d/%d", running, wanted), strings.Join(g.Dependencies, " "))
	for _, sub := range g.Groups {
		groupRows(t, sub)
	}
}

func newGroupShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "print a group with all below it as JSON",
		Args:  argsBetween(1, 1),
		RunE: withRemote(func(r *remote, args []string) error {
			g, err := r.c.Group(r.ctx, absolute(args[0]))
			if err != nil {
				return explain("show group "+args[0], err)
			}
			return printJSON(r.out, g)
		}),
	}
}

func newGroupAdd() *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use:   "add FILE",
		Short: "add a group from a JSON file; - is stdin",
		Args:  argsBetween(1, 1),
		RunE: withRemote(func(r *remote, args []string) error {
			doc, err := readGroup(r, args[0])
			if err != nil {
				return err
			}
			res, err := r.c.CreateGroup(r.ctx, doc.data, w.options())
			if err != nil {
				return explain("add "+doc.name, err)
			}
			return r.finishGroup(doc.name, "added", res, &w)
		}),
	}
	w.add(cmd)
	return cmd
}

func newGroupUpdate() *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use:   "update ID FILE",
		Short: "change a group, or make it, from a JSON file; - is stdin",
		Long: `Changes a group in one deployment, or makes it. A list of apps, groups or dependencies that the file leaves out stays
as it is; one that it gives replaces: apps and groups that are missing from it are removed with their tasks.`,
		Args: argsBetween(2, 2),
		RunE: withRemote(func(r *remote, args []string) error {
			doc, err := readGroup(r, args[1])
			if err != nil {
				return err
			}
			return r.putGroup(absolute(args[0]), "updated", doc.data, &w)
		}),
	}
	w.add(cmd)
	return cmd
}

// readGroup reads a file with one object.
func readGroup(r *remote, file string) (document, error) {
	docs, err := readDocuments(r.cmd.InOrStdin(), []string{file})
	switch {
	case err != nil:
		return document{}, err
	case len(docs) != 1:
		return document{}, cli.Usagef("read %s: expected one group, found a list of %d", file, len(docs))
	}
	return docs[0], nil
}

func newGroupScale() *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use:   "scale ID FACTOR",
		Short: "multiply the tasks of every app below a group, rounding up",
		Args:  argsBetween(2, 2),
		RunE: withRemote(func(r *remote, args []string) error {
			f, err := strconv.ParseFloat(args[1], 64)
			if err != nil || !(f >= 0) {
				return cli.Usagef("factor %q: expected a number from 0", args[1])
			}
			return r.putGroup(absolute(args[0]), "scaled", fmt.Appendf(nil, `{"scaleBy":%v}`, f), &w)
		}),
	}
	w.addCommon(cmd)
	return cmd
}

func newGroupRollback() *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use:   "rollback ID VERSION",
		Short: "make a group what it was in one of its versions",
		Args:  argsBetween(2, 2),
		RunE: withRemote(func(r *remote, args []string) error {
			v, err := api.ParseTimestamp(args[1])
			if err != nil {
				return cli.UsageError{Err: err}
			}
			return r.putGroup(absolute(args[0]), "rolled back", fmt.Appendf(nil, `{"version":%q}`, v), &w)
		}),
	}
	w.addCommon(cmd)
	return cmd
}

func newGroupRemove() *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use:     "remove ID",
		Aliases: []string{"rm"},
		Short:   "remove a group with all apps and groups below it",
		Args:    argsBetween(1, 1),
		RunE: withRemote(func(r *remote, args []string) error {
			id := absolute(args[0])
			res, err := r.c.DeleteGroup(r.ctx, id, w.options())
			if err != nil {
				return explain("remove "+id, err)
			}
			return r.finishGroup(id, verbRemoved, res, &w)
		}),
	}
	w.addCommon(cmd)
	return cmd
}

func newGroupVersions() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "versions ID",
		Short: "list the versions of a group, newest first",
		Args:  argsBetween(1, 1),
		RunE: withRemote(func(r *remote, args []string) error {
			versions, err := r.c.GroupVersions(r.ctx, absolute(args[0]))
			if err != nil {
				return explain("list versions", err)
			}
			if r.json {
				return printJSON(r.out, versions)
			}
			for _, v := range versions {
				fmt.Fprintln(r.out, v)
			}
			return nil
		}),
	}
	addOutputFlag(cmd)
	return cmd
}

func (r *remote) putGroup(id, done string, doc []byte, w *writeFlags) error {
	res, err := r.c.PutGroup(r.ctx, id, doc, w.options())
	if err != nil {
		return explain("change "+id, err)
	}
	return r.finishGroup(id, done, res, w)
}

// finishGroup reports a change of a group that was accepted, and waits for its deployment if asked to.
func (r *remote) finishGroup(what, done string, res client.Result, w *writeFlags) error {
	r.notes(res)
	if r.json {
		if err := printJSON(r.out, res.DeploymentResult); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(r.out, "%s %s, deployment %s\n", done, what, res.DeploymentID)
	}
	if !w.wait {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, w.timeout)
	defer cancel()
	f := &follower{r: r, c: change{id: what}, start: time.Now()}
	err := f.deployment(ctx, res.DeploymentID)
	if errors.Is(err, context.DeadlineExceeded) && r.ctx.Err() == nil {
		return unfinished{w.timeout, what, f.reasons}
	}
	return err
}

// deployment waits for the end of a deployment of several apps.
func (f *follower) deployment(ctx context.Context, id string) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		d, err := f.r.c.Deployment(ctx, id)
		switch {
		case api.CodeOf(err) == api.CodeNotFound: // it was done at once, or a Marathon remembers none that is over
			f.print("done")
			return nil
		case err == nil && d.State == api.DeploymentFailed:
			return fmt.Errorf("wait for %s: deployment %s failed: %s", f.c.id, id, d.Reason)
		case err == nil && d.State == api.DeploymentSucceeded:
			f.print("done")
			return nil
		case err == nil:
			f.reasons = d.WaitingFor
			f.print(strings.Join(append([]string{"step " + stepCell(*d)}, d.WaitingFor...), "; "))
		case ctx.Err() != nil:
			return ctx.Err()
		case !temporary(err):
			return explain("wait for "+f.c.id, err)
		default:
			f.reasons = []string{err.Error()}
			f.print("no answer, trying again: " + err.Error())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
