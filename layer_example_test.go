package saslkit_test

import (
	"bufio"
	"fmt"
	"io"
	"net"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// A protocol of one's own that protects itself with DIGEST-MD5's security layer: each
// line is a message of the login, and then the layer begins.
func ExampleExchange_Layer() {
	auth := &saslkit.Authenticator{
		Verifier:   verifier.Static{"al": "secret"},
		Mechanisms: []string{"DIGEST-MD5"},
		Layers:     mech.Layers{Min: 112, Max: 128},
	}
	near, far := net.Pipe()
	go serveLayered(auth, far)

	client, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: "al", Password: "secret"},
		Mechanisms:  []string{"DIGEST-MD5"},
		Service:     "toy", Host: "localhost",
		Layers: mech.Layers{Min: 112, Max: 128},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	lines := bufio.NewReader(near)
	for range 2 { // the challenge, and the server's proof
		challenge, _ := lines.ReadString('\n')
		response, err := client.Next([]byte(challenge))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Fprintf(near, "%s\n", response)
	}
	if err := client.Finish(); err != nil {
		fmt.Println(err)
		return
	}
	conn, err := client.Layer(near)
	if err != nil {
		fmt.Println(err)
		return
	}
	greeting, _ := io.ReadAll(conn)
	fmt.Println(client.Assurance().Layer.Name)
	fmt.Printf("%s", greeting)
	// Output:
	// auth-conf with rc4
	// hello al, nobody else reads this
}

func serveLayered(auth *saslkit.Authenticator, conn net.Conn) {
	defer conn.Close()
	peer := auth.NewPeer(saslkit.PeerConfig{Service: "toy"})
	defer peer.Close()
	exchange, err := peer.Start("DIGEST-MD5")
	if err != nil {
		return
	}
	lines := bufio.NewReader(conn)
	for response := []byte(nil); ; {
		challenge, done, err := exchange.Next(response)
		if err != nil {
			return
		}
		if done {
			break
		}
		fmt.Fprintf(conn, "%s\n", challenge)
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		response = []byte(line)
	}
	if lines.Buffered() > 0 {
		return // what came before the layer did not come from the client
	}
	protected, err := exchange.Layer(conn)
	if err != nil {
		return
	}
	result, _ := peer.Result()
	fmt.Fprintf(protected, "hello %s, nobody else reads this\n", result.User)
}
