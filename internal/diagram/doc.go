// Command diagram draws a sequence diagram of a login for each mechanism, from what our
// client and our server really said to each other and what the server asked its store.
//
//	go run ./internal/diagram record internal/diagram/testdata [NAME...]
//	go generate ./internal/diagram
//
// The first logs in and writes down what happened, one text file for each scenario
// (scenario.go): new nonces every time. The second draws what is written there, so that
// the pictures in docs/mechanisms change only when a recording or the drawing does.
//
//	scenario.go   which logins there are
//	login.go      a login over the lines of SMTP or POP3
//	channels.go   the TLS connection under it
//	witness.go    stores that write down what they are asked
//	recording.go  the text form of what happened
//	reading*.go   messages taken apart, by the grammars of their standards
//	layout.go     what stands where
//	svg.go        colours, fonts and elements
//
// The tests log in again by every mechanism that there is and compare with what is
// written down: a mechanism without a picture does not pass, nor does one that has
// changed what it says or asks.
package main

//go:generate go run . draw testdata ../../docs/mechanisms
