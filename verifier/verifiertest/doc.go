// Package verifiertest checks implementations of package [verifier] and holds the
// doubles that tests use in their place.
//
// [TestVerifier] holds any implementation against the contract and says which
// rule it breaks. It works like testing/fstest.TestFS and needs no *testing.T:
//
//	func TestStore(t *testing.T) {
//		err := verifiertest.TestVerifier(store,
//			verifiertest.User{Name: "alice", Realm: "example.org", Password: "pencil"},
//			verifiertest.User{Name: "bob", Realm: "example.org", Password: "crayon", Disabled: true})
//		if err != nil {
//			t.Error(err)
//		}
//	}
//
// It reports a [Finding] for each rule, to be read by people. New versions may know
// more rules, so that a verifier that passed is found wanting: that is a fault of the
// verifier, or of the rule.
//
// [Memory] is a complete store in memory that counts the work it is asked to do,
// and [Faulty] wraps any verifier and fails in the ways that backends fail: slowly,
// with errors, with panics, with the empty answer of a query whose error was
// swallowed. Both may be used concurrently.
package verifiertest
