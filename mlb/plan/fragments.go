package plan

import (
	"cmp"

	"berth/mlb/render"
)

// fragments walks both lists, which are sorted alike. Equal pointers are equal texts, so unchanged services cost a
// comparison each.
func (d *diff) fragments(from, to []*render.Fragment) {
	for len(from) > 0 || len(to) > 0 {
		switch {
		case len(from) > 0 && len(to) > 0 && from[0] == to[0]:
			from, to = from[1:], to[1:]
		case len(to) == 0 || len(from) > 0 && order(from[0], to[0]) < 0:
			d.because("backend %s is gone", from[0].Service.Name)
			from = from[1:]
		case len(from) == 0 || order(from[0], to[0]) > 0:
			d.because("backend %s is new", to[0].Service.Name)
			to = to[1:]
		default:
			d.fragment(from[0], to[0])
			from, to = from[1:], to[1:]
		}
	}
}

// order is that of the model: spare backends first, which are known by name whoever has claimed them.
func order(a, b *render.Fragment) int {
	x, y := a.Service, b.Service
	switch {
	case x.Spare && y.Spare:
		return cmp.Compare(x.Name, y.Name)
	case x.Spare:
		return -1
	case y.Spare:
		return 1
	}
	return cmp.Or(cmp.Compare(x.App, y.App), cmp.Compare(x.Port, y.Port), cmp.Compare(x.Name, y.Name))
}

// fragment compares two texts of one service.
func (d *diff) fragment(from, to *render.Fragment) {
	switch name := to.Service.Name; {
	case from.Userlist != to.Userlist:
		d.because("the users of %s changed", name)
	case from.Frontend == "" && to.Frontend != "":
		d.because("frontend %s is new", name)
	case from.Frontend != "" && to.Frontend == "":
		d.because("frontend %s is gone", name)
	}
	if from.Frontend != "" && to.Frontend != "" {
		d.text(from.Frontend, to.Frontend)
	}
	d.text(from.Backend, to.Backend)
	d.servers(from, to)
}
