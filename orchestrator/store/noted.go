package store

// Notes are kept apart from what the file holds: for every app whose record the file has not got, dirty has the record
// it has got. So a note costs its own record, and an update writes the apps it changes, however many others are noted.

// toSave lists what a batch writes to the file, from the records that the file has.
func (s *Store) toSave(b *batch, changes []Change) []Change {
	var save []Change
	for _, c := range changes {
		if !b.durable[c.id()] {
			continue
		}
		if filed, ok := s.dirty[c.id()]; ok {
			c.Old = filed
		}
		if c.Old != nil || c.New != nil {
			save = append(save, c)
		}
	}
	return save
}

// remember keeps what b did not write; what it wrote is in the file.
func (s *Store) remember(b *batch, changes []Change) {
	for _, c := range changes {
		id := c.id()
		_, known := s.dirty[id]
		switch {
		case b.durable[id]:
			delete(s.dirty, id)
		case !known:
			s.dirty[id] = c.Old
		}
	}
}

// saveNotes writes all that was only noted.
func (s *Store) saveNotes() error {
	var save []Change
	for id, filed := range s.dirty {
		if c := (Change{filed, s.apps[id]}); c.Old != c.New {
			save = append(save, c)
		}
	}
	if len(save) == 0 {
		return nil
	}
	return s.save(&batch{s: s, index: s.index, version: s.lastVersion}, save)
}
