package ruleset

// Split cuts a batch into several of at most about max elements each, for sockets that cannot carry it in one piece. Each
// service is changed in one of them, so a packet never meets half of one; but a service may change before another.
func (b *Batch) Split(max int) []*Batch {
	first := &Batch{Create: b.Create, Layout: b.Layout, AddPicks: b.AddPicks}
	first.Del.Links, first.Add.Links = b.Del.Links, b.Add.Links
	first.Del.Ranges, first.Add.Ranges = b.Del.Ranges, b.Add.Ranges
	out := []*Batch{first}
	last := func() *Batch {
		l := out[len(out)-1]
		if l.Del.Len()+l.Add.Len() >= max {
			l = &Batch{Layout: b.Layout}
			out = append(out, l)
		}
		return l
	}
	for _, v := range b.Del.VIPs {
		l := last()
		l.Del.VIPs = append(l.Del.VIPs, v)
	}
	for _, v := range b.Add.VIPs {
		l := last()
		l.Add.VIPs = append(l.Add.VIPs, v)
	}
	for _, v := range b.Del.Hairpin {
		l := last()
		l.Del.Hairpin = append(l.Del.Hairpin, v)
	}
	for _, v := range b.Add.Hairpin {
		l := last()
		l.Add.Hairpin = append(l.Add.Hairpin, v)
	}
	b.eachService(func(part *Batch) {
		l := last()
		l.Del.Entries = append(l.Del.Entries, part.Del.Entries...)
		l.Add.Entries = append(l.Add.Entries, part.Add.Entries...)
		l.Del.Slots = append(l.Del.Slots, part.Del.Slots...)
		l.Add.Slots = append(l.Add.Slots, part.Add.Slots...)
	})
	out[len(out)-1].DelPicks = b.DelPicks
	return out
}

// eachService visits what changes of one service after the other. The lists are sorted by key.
func (b *Batch) eachService(visit func(*Batch)) {
	de, ae, ds, as := b.Del.Entries, b.Add.Entries, b.Del.Slots, b.Add.Slots
	for len(de)+len(ae)+len(ds)+len(as) > 0 {
		k, ok := Key{}, false
		least := func(o Key) {
			if !ok || o.Compare(k) < 0 {
				k, ok = o, true
			}
		}
		if len(de) > 0 {
			least(de[0].Key)
		}
		if len(ae) > 0 {
			least(ae[0].Key)
		}
		if len(ds) > 0 {
			least(ds[0].Key)
		}
		if len(as) > 0 {
			least(as[0].Key)
		}
		part := &Batch{}
		part.Del.Entries, de = cut(de, func(e Entry) bool { return e.Key == k })
		part.Add.Entries, ae = cut(ae, func(e Entry) bool { return e.Key == k })
		part.Del.Slots, ds = cut(ds, func(s Slot) bool { return s.Key == k })
		part.Add.Slots, as = cut(as, func(s Slot) bool { return s.Key == k })
		visit(part)
	}
}

// cut divides a list after its first elements for which is holds.
func cut[T any](list []T, is func(T) bool) (head, tail []T) {
	i := 0
	for i < len(list) && is(list[i]) {
		i++
	}
	return list[:i], list[i:]
}
