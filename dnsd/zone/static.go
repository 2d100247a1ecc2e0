package zone

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// maxStatic bounds the records that files may add.
const maxStatic = 100_000

// Static holds records that come from files instead of apps. The zero Static is empty.
type Static struct {
	records []staticRecord
}

type staticRecord struct {
	name string
	entry
}

// Len returns the number of records.
func (s *Static) Len() int { return len(s.records) }

func (s *Static) add(name string, e entry) error {
	if len(s.records) == maxStatic {
		return fmt.Errorf("more than %d records", maxStatic)
	}
	s.records = append(s.records, staticRecord{name, e})
	return nil
}

// ParseHosts adds the records of a hosts file: on each line an address and the names that have it; the first also becomes
// the address's own name. What follows # is a remark.
func (s *Static) ParseHosts(r io.Reader, ttl uint32) error {
	return eachLine(r, "#", func(fields []string) error {
		ip, err := netip.ParseAddr(fields[0])
		if err != nil || ip.Zone() != "" || len(fields) < 2 {
			return fmt.Errorf("%.100q: expected an address and names", strings.Join(fields, " "))
		}
		for i, f := range fields[1:] {
			name, err := hostName(f)
			if err != nil {
				return err
			}
			if i == 0 {
				err = s.add(reverseName(ip.Unmap()), entry{TypePTR, true, ttl, Record{Target: name}})
			}
			if err == nil {
				err = s.add(name, addrEntry(ip.Unmap(), ttl, true))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// ParseRecords adds records written one a line as in a master file with whole names, such as
//
//	db.mesos.                     60 IN A     10.0.0.9
//	_pg._tcp.db.mesos                SRV   0 1 5432 db.mesos
//	registry.component.thisdcos.directory CNAME master.dcos.thisdcos.directory
//
// TTL and class may be left out, as may trailing dots. Types are A, AAAA, CNAME, PTR and SRV. What follows ; is a remark.
func (s *Static) ParseRecords(r io.Reader, ttl uint32) error {
	return eachLine(r, ";", func(fields []string) error {
		name, err := hostName(fields[0])
		if err != nil {
			return err
		}
		e := entry{ok: true, ttl: ttl}
		rest := fields[1:]
		if len(rest) > 0 {
			if n, err := strconv.ParseUint(rest[0], 10, 31); err == nil {
				e.ttl, rest = uint32(n), rest[1:]
			}
		}
		if len(rest) > 0 && strings.EqualFold(rest[0], "IN") {
			rest = rest[1:]
		}
		if err := e.parse(rest); err != nil {
			return fmt.Errorf("record of %s: %w", name, err)
		}
		return s.add(name, e)
	})
}

// parse reads a type and its data.
func (e *entry) parse(fields []string) (err error) {
	want := map[string]int{"A": 2, "AAAA": 2, "CNAME": 2, "PTR": 2, "SRV": 5}
	if len(fields) == 0 || len(fields) != want[strings.ToUpper(fields[0])] {
		return fmt.Errorf("%.100q: expected A, AAAA, CNAME, PTR or SRV and its data", strings.Join(fields, " "))
	}
	switch strings.ToUpper(fields[0]) {
	case "A", "AAAA":
		ip, err := netip.ParseAddr(fields[1])
		if err != nil || ip.Zone() != "" || ip.Is4() != strings.EqualFold(fields[0], "A") {
			return fmt.Errorf("%.100q: expected an address of the record's family", fields[1])
		}
		*e = addrEntry(ip, e.ttl, true)
		return nil
	case "CNAME":
		e.typ = TypeCNAME
	case "PTR":
		e.typ = TypePTR
	case "SRV":
		e.typ = TypeSRV
		for i, p := range []*uint16{&e.data.Priority, &e.data.Weight, &e.data.Port} {
			n, err := strconv.ParseUint(fields[i+1], 10, 16)
			if err != nil {
				return fmt.Errorf("%.100q: expected a number from 0 to 65535", fields[i+1])
			}
			*p = uint16(n)
		}
	}
	e.data.Target, err = hostName(fields[len(fields)-1])
	return err
}

func hostName(s string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	if !encodable(name) {
		return "", fmt.Errorf("name %.100q: expected labels of 1 to 63 bytes, joined by dots", s)
	}
	return name, nil
}

// eachLine calls f with the fields of every line that has any.
func eachLine(r io.Reader, remark string, f func([]string) error) error {
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		text, _, _ := strings.Cut(sc.Text(), remark)
		if fields := strings.Fields(text); len(fields) > 0 {
			if err := f(fields); err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
		}
	}
	return sc.Err()
}
