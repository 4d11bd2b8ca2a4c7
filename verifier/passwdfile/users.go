package passwdfile

import "iter"

// Users yields those who can log in, as the file was last read: with a value that can be
// used, and not disabled. The realm of a user of every realm is "".
func (db *DB) Users() iter.Seq2[string, string] {
	t := db.file.Last()
	return func(yield func(user, realm string) bool) {
		for _, e := range t.users {
			if e.unusable == nil && !e.extra.disabled && !yield(e.user, e.realm) {
				return
			}
		}
	}
}
