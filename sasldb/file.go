package sasldb

import (
	"errors"
	"fmt"

	"github.com/saslkit/saslkit/internal/dbm"
)

// MaxFile is the size in bytes above which a file is not read. A sasldb of a
// million users has about 100 MB; libdb, when it follows a broken page number,
// can blow a file up to terabytes that are mostly holes.
const MaxFile = 1 << 30

var (
	// ErrFormat: the file is not one that this package reads. It may be sound.
	ErrFormat = errors.New("sasldb: format is not supported")
	// ErrDamaged: the file contradicts itself.
	ErrDamaged = errors.New("sasldb: file is damaged")
	// ErrNoFile: what is at the path is a folder, a FIFO or a device.
	ErrNoFile = errors.New("sasldb: not a regular file")
)

// A Listing is what was found in a file.
type Listing struct {
	Format  Format
	Records []Record // in the order of the file; values alias memory that is not used otherwise
	Foreign int      // records whose key is not authid NUL realm NUL property
	// Damage is what was met and where, each naming its page; the records are
	// then those that are sound. Nil for a sound file. Each matches ErrDamaged.
	Damage []error
}

// Read lists the database file at path. What looks damaged while somebody writes to
// it is read again a few times. The error matches [fs.ErrNotExist] and
// [fs.ErrPermission] where these are the reason, [ErrNoFile] for what is no file,
// [ErrFormat] for a file of another kind, [ErrBusy] for one that its writers keep
// locked, and [ErrDamaged] when nothing of it can be read.
func Read(path string) (Listing, error) {
	var l Listing
	s, err := whileTorn(path, wallClock, func(s *source, _ int) (err error) {
		l = Listing{}
		data, err := s.read()
		if err != nil {
			return err
		}
		if l, err = parse(path, data); err == nil && l.Damage != nil {
			return l.Damage[0]
		}
		return err
	})
	if s == nil {
		return Listing{}, err
	}
	s.Close()
	if l.Damage != nil {
		err = nil
	}
	return l, err
}

// Verify checks the file at path more closely than db_verify does. Faults may
// cost records now or at libdb's next write; warnings are oddities of healthy
// files. The error is Read's.
func Verify(path string) (faults, warnings []error, err error) {
	s, err := whileTorn(path, wallClock, func(s *source, _ int) error {
		faults, warnings = nil, nil
		data, err := s.read()
		if err != nil {
			return err
		}
		f, _, err := open(path, data)
		if err != nil {
			return err
		}
		hard, soft := f.Verify()
		if faults, warnings = damages(path, hard), damages(path, soft); faults != nil {
			return faults[0]
		}
		return nil
	})
	if s == nil {
		return nil, nil, err
	}
	s.Close()
	if faults != nil {
		err = nil
	}
	return faults, warnings, err
}

func parse(path string, data []byte) (Listing, error) {
	f, format, err := open(path, data)
	if err != nil {
		return Listing{}, err
	}
	found, damage := f.Records()
	l := Listing{Format: format, Records: make([]Record, 0, len(found)), Damage: damages(path, damage)}
	for _, r := range found {
		authid, realm, property, ok := parseKey(r.Key)
		if !ok {
			l.Foreign++
			continue
		}
		l.Records = append(l.Records, Record{Authid: authid, Realm: realm, Property: property, Value: r.Value})
	}
	return l, nil
}

// open recognises the format. One package for each format parses it.
func open(path string, data []byte) (dbm.File, Format, error) {
	format := formatOf(data)
	f, err := formats[format].open(data)
	if err != nil {
		return nil, format, pathError(path, err)
	}
	return f, format, nil
}

// pathError adds the path to what a format's package says.
func pathError(path string, err error) error {
	var refused *dbm.FormatError
	if errors.As(err, &refused) {
		return &fileError{path, err, ErrFormat}
	}
	return &fileError{path, err, ErrDamaged}
}

// A fileError names the file, then the place in it; it matches both causes.
type fileError struct {
	path  string
	place error
	kind  error
}

func (e *fileError) Error() string   { return fmt.Sprintf("sasldb: %s: %v", e.path, e.place) }
func (e *fileError) Unwrap() []error { return []error{e.place, e.kind} }

func damages(path string, found []*dbm.DamageError) []error {
	var all []error
	for _, d := range found {
		all = append(all, &fileError{path, d, ErrDamaged})
	}
	return all
}
