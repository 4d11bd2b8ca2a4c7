package stored_test

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// users is a verifier over a table of hashes that the program keeps itself.
type users struct {
	values  map[string]stored.Value
	decoy   stored.Value
	checker *stored.Checker // one for all, so that not too many hashes are computed at a time
}

// newUsers reads what is stored: a value in it that nobody can use is an error at start.
func newUsers(table map[string]string) (*users, error) {
	u := &users{values: map[string]stored.Value{}, checker: stored.NewChecker(stored.Options{})}
	for name, text := range table {
		value, err := stored.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("user %q: %w", name, err)
		}
		u.values[name] = value
	}
	u.decoy = stored.Commonest(maps.Values(u.values))
	return u, nil
}

// VerifyPassword computes one hash, whoever asks for whom.
func (u *users) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	value, known := u.values[r.User]
	if !known {
		value = u.decoy
	}
	match, err := u.checker.Matches(ctx, value, r, password)
	switch {
	case err != nil:
		return verifier.Account{}, err
	case !known:
		return verifier.Account{}, verifier.ErrNoUser
	case !match:
		return verifier.Account{}, verifier.ErrWrongPassword
	}
	return verifier.Account{User: r.User, Realm: r.Realm}, nil
}

// A verifier for hashes of the program's own, and the test of it.
func Example() {
	v, err := newUsers(map[string]string{
		"alice": "$6$rounds=1000$saslkitsalt$fs8L5CT6u41UB5QYQQkFDIVNWBVvnUdedOexMLiEXpDbNhzkS/3pjNp0UqsU70GwXV7D7vzajH5m4zKXp2QDH1",
		"bob":   "$6$rounds=1000$saslkitsalt$qx04IK.TxpxhSdTn13xKYIfi3vKzOhKqnB.88UG1Y1QAUeNSYx7Ow8s1DOmEyrWelfpCNZJQnhRIzP7gKMZAn/",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(verifiertest.TestVerifier(v,
		verifiertest.User{Name: "alice", Password: "pencil"},
		verifiertest.User{Name: "bob", Password: "crayon"}))
	_, err = v.VerifyPassword(context.Background(), verifier.Request{User: "alice"}, "crayon")
	fmt.Println(errors.Is(err, verifier.ErrWrongPassword))
	// Output:
	// <nil>
	// true
}

// What can be done with a value depends on how it is kept.
func ExampleParse() {
	for _, text := range []string{
		"{PLAIN}pencil",
		"$6$rounds=1000$saslkitsalt$fs8L5CT6u41UB5QYQQkFDIVNWBVvnUdedOexMLiEXpDbNhzkS/3pjNp0UqsU70GwXV7D7vzajH5m4zKXp2QDH1",
		"{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"pencil",
	} {
		value, err := stored.Parse(text)
		if err != nil {
			fmt.Println("unusable:", errors.Is(err, stored.ErrUnusable)) // err does not say what was stored
			continue
		}
		fmt.Printf("%s: %v\n", value.Scheme(), value.Kinds())
	}
	// Output:
	// password: password check, password
	// sha512crypt: password check
	// SCRAM-SHA-256 keys: password check, SCRAM-SHA-256 keys
	// unusable: true
}
