package ldap

import (
	"context"
	"fmt"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/saslkit/saslkit/verifier"
)

// pageSize is how many users are asked for at a time, and maxUsers how many there may be.
const (
	pageSize = 500
	maxUsers = 5_000_000
	// listTimeout bounds a whole list: OpenLDAP sends some 50,000 entries in a second.
	listTimeout = 2 * time.Minute
)

// Refresh counts what users have, if [Options.ListFilter] says which they are: it asks the
// first server that answers for all of them, some hundred at a time, within two minutes.
// On an error the coverage stays as it was. Who serves calls it before it begins, and
// every few minutes.
func (d *Directory) Refresh(ctx context.Context) error {
	if d.t.listFilter == "" {
		return nil
	}
	var users []verifier.Kinds
	err := each(ctx, d.servers, func(s *server) error {
		return s.service.within(ctx, listTimeout, func(c *conn) (err error) {
			users, err = d.list(c)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("ldap: list of all users, in pages (RFC 2696): %w", err)
	}
	coverage := verifier.Measured(users, nil)
	d.coverage.Store(&coverage)
	return nil
}

const errPaging = answer("the server does not send its answer in pages (RFC 2696)")

// list asks for one page after the other, on one connection: elsewhere OpenLDAP does not
// know where the next page begins.
func (d *Directory) list(c *conn) (users []verifier.Kinds, err error) {
	paging := goldap.NewControlPaging(pageSize)
	request := d.search(d.t.listBase, d.t.listFilter, d.o.Scope, d.attributes())
	request.SizeLimit, request.EnforceSizeLimit = 0, false
	request.Controls = []goldap.Control{paging}
	for {
		c.guard.ask()
		result, err := c.Search(request)
		if err != nil {
			return nil, told(err)
		}
		for _, raw := range result.Entries {
			users = append(users, d.kindsOf(raw))
		}
		next, _ := goldap.FindControl(result.Controls, goldap.ControlTypePaging).(*goldap.ControlPaging)
		switch {
		case len(users) > maxUsers:
			return nil, answer(fmt.Sprintf("more than %d users", maxUsers))
		case next == nil && len(result.Entries) >= pageSize:
			return nil, errPaging
		case next == nil || len(next.Cookie) == 0:
			return users, nil
		case len(result.Entries) == 0:
			return nil, errPaging
		}
		paging.SetCookie(next.Cookie)
	}
}

// kindsOf is what can be handed out of an entry, and checked.
func (d *Directory) kindsOf(raw *goldap.Entry) verifier.Kinds {
	h := d.holds(raw)
	if len(h.values) > 0 {
		d.recent.add(h.values[0])
	}
	kinds := h.kinds() &^ verifier.KindsOf(verifier.KindDIGESTMD5)
	if kinds.Has(verifier.KindPassword) {
		for _, k := range verifier.SCRAMKinds() {
			kinds &^= verifier.KindsOf(k)
		}
	}
	return kinds
}
