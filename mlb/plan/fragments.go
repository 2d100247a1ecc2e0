package plan

import (
	"berth/mlb/model"
	"berth/mlb/render"
)

// fragments walks both lists, which are sorted alike. Equal pointers are equal texts, so unchanged services cost a
// comparison each.
func (d *diff) fragments(from, to []*render.Fragment) {
	for len(from) > 0 || len(to) > 0 {
		switch {
		case len(from) > 0 && len(to) > 0 && from[0] == to[0]:
			from, to = from[1:], to[1:]
		case len(to) == 0 || len(from) > 0 && model.Compare(from[0].Service, to[0].Service) < 0:
			d.because("backend %s is gone", from[0].Service.Name)
			from = from[1:]
		case len(from) == 0 || model.Compare(from[0].Service, to[0].Service) > 0:
			d.because("backend %s is new", to[0].Service.Name)
			to = to[1:]
		default:
			d.fragment(from[0], to[0])
			from, to = from[1:], to[1:]
		}
	}
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
