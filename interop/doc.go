// Package interop holds the tests of saslkit against real peers.
package interop

import _ "github.com/saslkit/saslkit"
