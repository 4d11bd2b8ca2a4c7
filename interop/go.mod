module github.com/saslkit/saslkit/interop

go 1.26.0

require (
	github.com/emersion/go-imap v1.2.1
	github.com/emersion/go-imap/v2 v2.0.0-beta.8
	github.com/emersion/go-sasl v0.0.0-20241020182733-b788ff22d5a6
	github.com/emersion/go-smtp v0.25.1
	github.com/google/go-cmp v0.7.0
	github.com/saslkit/saslkit v0.0.0
	github.com/xdg-go/scram v1.4.0
	mellium.im/sasl v0.3.2
)

require (
	github.com/emersion/go-message v0.18.2 // indirect
	github.com/go-crypt/x v0.4.17 // indirect
	github.com/xdg-go/stringprep v1.0.4 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/saslkit/saslkit => ..
