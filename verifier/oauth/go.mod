module github.com/saslkit/saslkit/verifier/oauth

go 1.26.0

require (
	github.com/go-jose/go-jose/v4 v4.1.8
	github.com/saslkit/saslkit v0.0.0
)

require (
	github.com/emersion/go-sasl v0.0.0-20241020182733-b788ff22d5a6 // indirect
	github.com/xdg-go/stringprep v1.0.4 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/saslkit/saslkit => ../..
