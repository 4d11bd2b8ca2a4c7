// Command saslkit: see the README.
package main

import "github.com/saslkit/saslkit"

func main() { _ = saslkit.Done }
