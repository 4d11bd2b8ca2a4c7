package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"time"

	"github.com/saslkit/saslkit"
)

// channels are the two ends of a TLS connection on which both sides have shown a
// certificate.
type channels struct {
	client, server saslkit.Channel
	pipe           [2]net.Conn
}

func (c *channels) close() {
	c.pipe[0].Close()
	c.pipe[1].Close()
}

func newChannels() (*channels, error) {
	ours, err := newCertificate(x509.Certificate{DNSNames: []string{sampleHost}})
	if err != nil {
		return nil, err
	}
	theirs, err := newCertificate(x509.Certificate{EmailAddresses: []string{sampleUser + "@" + sampleRealm}})
	if err != nil {
		return nil, err
	}
	c := new(channels)
	c.pipe[0], c.pipe[1] = net.Pipe()
	client := tls.Client(c.pipe[0], &tls.Config{
		ServerName: sampleHost, RootCAs: poolOf(ours), Certificates: []tls.Certificate{theirs},
	})
	server := tls.Server(c.pipe[1], &tls.Config{
		Certificates: []tls.Certificate{ours}, ClientCAs: poolOf(theirs), ClientAuth: tls.RequireAndVerifyClientCert,
		SessionTicketsDisabled: true, // nobody would read them
	})
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	err = client.Handshake()
	if err != nil {
		c.close()
	}
	if err2 := <-shaken; err2 != nil {
		c.close()
		return nil, err2
	}
	if err != nil {
		return nil, err
	}
	state := server.ConnectionState()
	c.client, c.server = saslkit.ClientTLS(client.ConnectionState()), saslkit.ServerTLS(state, ours.Leaf)
	c.server.External = state.VerifiedChains[0][0].EmailAddresses[0]
	c.client.External = c.server.External
	return c, nil
}

// newCertificate makes one that signs itself, for a day.
func newCertificate(of x509.Certificate) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	of.SerialNumber = big.NewInt(1)
	of.Subject = pkix.Name{CommonName: "sample"}
	of.NotBefore = time.Now().Add(-time.Hour)
	of.NotAfter = of.NotBefore.Add(24 * time.Hour)
	of.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, &of, &of, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

func poolOf(c tls.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.Leaf)
	return pool
}
