module github.com/saslkit/saslkit/verifier/pam

go 1.26.0

require (
	github.com/msteinert/pam/v2 v2.1.0
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/saslkit/saslkit => ../..
