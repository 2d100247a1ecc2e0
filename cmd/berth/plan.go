package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
	"berth/cmd/internal/preview"
	"berth/orchestrator/api"
	"berth/orchestrator/client"
)

type planFlags struct {
	replace, lenient, force bool
	remove, groups          []string
}

func newPlan() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan [FILE...]",
		Short: "say what a change would do, without making it",
		Long: `Says what apps of FILEs, or - for stdin, would change: which fields differ, which tasks stop and start and on which
agents, what would not fit and why, and what changes in load balancer, DNS and virtual addresses. A file holds one app or a
list; what an app of it leaves out stays as it is. Nothing is changed, and the role read is enough.

Balancer, DNS and virtual addresses are computed here, for daemons with default flags, when the change is over and all its
tasks are healthy. Ports that an app leaves to the orchestrator are examples.

Exit codes: 0 it can be done as far as is known, 1 refused or failed, 2 wrong usage, 3 some tasks would wait.`,
		Example: `  berth plan web.json
  berth plan web.json db.json --remove old-web -o json
  berth plan web.json && berth app update web web.json --wait`,
		Args: argsBetween(0, -1),
		RunE: withRemote(func(r *remote, args []string) error {
			if len(args)+len(f.remove) == 0 {
				return cli.Usagef("expected at least one FILE, or --remove")
			}
			return r.plan(args, f)
		}),
	}
	addOutputFlag(cmd)
	cmd.Flags().BoolVar(&f.replace, "replace", false, "each app in FILE is the whole app: fields it lacks go to their defaults")
	cmd.Flags().StringSliceVar(&f.remove, "remove", nil, "`app` that would be removed; repeatable")
	cmd.Flags().BoolVar(&f.force, "force", false, "as if running deployments that hold the apps were overridden")
	cmd.Flags().BoolVar(&f.lenient, "lenient", false, "drop unknown fields with a warning instead of refusing them")
	cmd.Flags().StringSliceVar(&f.groups, "group", []string{"*"}, "`group` of the load balancer; * is all")
	return cmd
}

// wouldWait is the error of a plan that cannot be carried out to its end: so many tasks have no room.
type wouldWait int

func (n wouldWait) Error() string { return fmt.Sprintf("plan: %d task(s) would wait", int(n)) }
func (wouldWait) ExitCode() int   { return exitUnfinished }

// planned is what plan prints, with -o json as it is.
type planned struct {
	Apps     []plannedApp         `json:"apps"`
	Steps    []api.DeploymentStep `json:"steps"`
	Warnings []string             `json:"warnings"`
	Balancer preview.Section      `json:"balancer"`
	Names    preview.Section      `json:"names"`
	VIPs     preview.Section      `json:"vips"`
	Waits    int                  `json:"waits"` // tasks for which there is no room
}

type plannedApp struct {
	api.Placement
	Change string          `json:"change"` // create, update, remove or none
	Fields []preview.Field `json:"fields"`
}

func (r *remote) plan(files []string, f planFlags) error {
	docs, err := readDocuments(r.cmd.InOrStdin(), files)
	if err != nil {
		return err
	}
	raw := make([]json.RawMessage, len(docs))
	for i, d := range docs {
		raw[i] = d.data
	}
	opt := client.PlanOptions{Replace: f.replace, Strict: !f.lenient, Force: f.force}
	for _, id := range f.remove {
		opt.Remove = append(opt.Remove, absolute(id))
	}
	now, err := r.c.Apps(r.ctx, client.ReadOptions{Embed: []string{"apps.tasks"}})
	if err != nil {
		return explain("plan", err)
	}
	answer, err := r.c.Plan(r.ctx, raw, opt)
	if err != nil {
		return explain("plan", err)
	}
	r.notes(client.Result{Unknown: answer.Unknown})
	p, err := foresee(now, answer, f.groups)
	if err != nil {
		return err
	}
	if r.json {
		err = printJSON(r.out, p)
	} else {
		err = p.print(r.out)
	}
	if err == nil && p.Waits > 0 {
		err = wouldWait(p.Waits)
	}
	return err
}

// foresee works out everything that the orchestrator leaves to others.
func foresee(now []*api.AppInfo, answer client.Planned, groups []string) (planned, error) {
	p := planned{Apps: []plannedApp{}, Steps: answer.Steps, Warnings: answer.Warnings}
	before, after := map[string]*api.AppInfo{}, map[string]*api.AppInfo{}
	for _, a := range now {
		before[a.ID] = a
	}
	for _, a := range answer.Apps {
		after[a.ID] = a
	}
	touched := map[string]bool{}
	for _, pl := range answer.Placements {
		a, err := plannedOf(pl, before[pl.App], after[pl.App])
		if err != nil {
			return p, err
		}
		p.Apps = append(p.Apps, a)
		p.Waits += pl.Waits
		if pl.Standstill {
			p.Waits += max(len(pl.Start), 1)
		}
		touched[pl.App] = true
	}
	then := preview.After(now, answer.Apps, answer.Placements)
	changed := func(app string) bool { return touched[app] }
	var err error
	if p.Balancer, err = preview.Balancer(groups, now, then, changed); err != nil {
		return p, err
	}
	if p.Names, err = preview.Names(now, then); err != nil {
		return p, err
	}
	p.VIPs, err = preview.VIPs(now, then, changed)
	return p, err
}

func plannedOf(pl api.Placement, before, after *api.AppInfo) (plannedApp, error) {
	a := plannedApp{Placement: pl, Change: "none", Fields: []preview.Field{}}
	switch {
	case pl.Action == api.ActionStop:
		a.Change = "remove"
		return a, nil
	case before == nil:
		a.Change = "create"
		return a, nil
	case pl.Action != "":
		a.Change = "update"
	}
	if after == nil {
		return a, nil
	}
	var err error
	a.Fields, err = preview.Fields(&before.App, &after.App)
	return a, err
}

// maxPlanLines bounds what the text shows of each section; JSON has all.
const maxPlanLines = 20

func (p planned) print(w io.Writer) error {
	var b strings.Builder
	for _, a := range p.Apps {
		a.print(&b)
	}
	for _, t := range p.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", t)
	}
	how := ""
	switch p.Balancer.Action {
	case "runtime":
		how = ": without a reload"
	case "reload":
		how = ": with a reload, because of " + strings.Join(p.Balancer.Reasons, "; ")
	}
	printSection(&b, "load balancer"+how, p.Balancer)
	printSection(&b, "DNS", recordSets(p.Names))
	printSection(&b, "virtual addresses", p.VIPs)
	_, err := io.WriteString(w, b.String())
	return err
}

var planSigns = map[string]string{"create": "+", "update": "~", "remove": "-", "none": " "}

func (a plannedApp) print(b *strings.Builder) {
	var what []string
	switch {
	case a.Change == "none":
		what = append(what, "nothing changes")
	case a.Change == "remove":
		what = append(what, "removed")
	case a.Action == api.ActionRestart:
		what = append(what, "all tasks are replaced")
	}
	if n := len(a.Stop); n > 0 {
		what = append(what, fmt.Sprintf("%d stop", n))
	}
	if n := len(a.Start); n > 0 {
		what = append(what, fmt.Sprintf("%d start on %s", n, a.agents()))
	}
	if len(a.Keep) > 0 {
		what = append(what, fmt.Sprintf("%d stay", len(a.Keep)))
	}
	if a.Waits > 0 {
		what = append(what, fmt.Sprintf("%d WAIT", a.Waits))
	}
	if a.Standstill {
		what = append(what, "STANDSTILL")
	}
	fmt.Fprintf(b, "%s %s: %s\n", planSigns[a.Change], a.App, strings.Join(what, ", "))
	for _, f := range a.Fields {
		fmt.Fprintf(b, "    %s: %s → %s\n", f.Path, literal(f.Old), literal(f.New))
	}
	for _, t := range a.Explain {
		fmt.Fprintf(b, "    ! %s\n", t)
	}
}

// agents counts the starts by agent.
func (a plannedApp) agents() string {
	count := map[string]int{}
	var ids []string
	for _, s := range a.Start {
		if count[s.Agent]++; count[s.Agent] == 1 {
			ids = append(ids, s.Agent)
		}
	}
	slices.Sort(ids)
	for i, id := range ids {
		ids[i] = fmt.Sprintf("%s (%d)", id, count[id])
	}
	return strings.Join(ids, ", ")
}

// literal is JSON of a field, shortened, or a dash for none.
func literal(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "-"
	}
	return shorten(strings.Map(plain, string(raw)), 80)
}

// ofOneTask are names that no client asks for by itself: those of single tasks, and of agents.
var ofOneTask = regexp.MustCompile(`^[^.]*-[a-z0-9]{5}-[^.]*\.|\.slave\.|^(slave|agent)\.|\.agent\.`)

// recordSets sums up records by name and type: what a client sees of a change.
func recordSets(s preview.Section) preview.Section {
	sets := func(lines []string) map[string]int {
		m := map[string]int{}
		for _, l := range lines {
			if f := strings.Fields(l); len(f) > 3 && !ofOneTask.MatchString(f[0]) { // name, TTL, class, type
				m[f[0]+" "+f[3]]++
			}
		}
		return m
	}
	removed, added := sets(s.Removed), sets(s.Added)
	out := preview.Section{Problems: s.Problems, Reasons: s.Reasons}
	for _, name := range slices.Sorted(maps.Keys(removed)) {
		out.Removed = append(out.Removed, fmt.Sprintf("%s (%d)", name, removed[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(added)) {
		out.Added = append(out.Added, fmt.Sprintf("%s (%d)", name, added[name]))
	}
	if out.Empty() && !s.Empty() {
		out.Added = []string{"names of single tasks only"}
	}
	return out
}

func printSection(b *strings.Builder, name string, s preview.Section) {
	if s.Empty() {
		fmt.Fprintf(b, "%s: nothing changes\n", strings.SplitN(name, ":", 2)[0])
		return
	}
	fmt.Fprintln(b, name)
	printed := 0
	for _, part := range []struct {
		sign  string
		lines []string
	}{{"-", s.Removed}, {"+", s.Added}, {"!", s.Problems}} {
		for _, l := range part.lines {
			if printed++; printed <= maxPlanLines {
				fmt.Fprintf(b, "    %s %s\n", part.sign, strings.Map(plain, l))
			}
		}
	}
	if printed > maxPlanLines {
		fmt.Fprintf(b, "    and %d more; -o json has all\n", printed-maxPlanLines)
	}
}
