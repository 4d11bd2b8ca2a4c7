//go:build linux

package interop

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

// Our client at OpenLDAP, whose server is libsasl2's: LDAP goes on under the layer,
// and slapd refuses who has none where it wants one.
func TestDirectoryLayers(t *testing.T) {
	t.Parallel()
	entries := []ldapItem{person(labUser, labPassword)}
	for i := range 200 {
		entries = append(entries, person(fmt.Sprint("somebody", i), "x"))
	}
	d := startDirectory(t, directoryPlan{
		global: "sasl-realm " + labRealm + "\nsasl-secprops noanonymous,noplain,minssf=1\nauthz-regexp uid=([^,]*),cn=.*,cn=auth uid=$1,ou=people,dc=example",
		// slapd's own look-up of the password comes without a name.
		database: "access to attrs=userPassword by anonymous auth\naccess to * by users read by anonymous auth",
		entries:  entries,
	})
	for _, what := range rc4Layers {
		t.Run(what.String(), func(t *testing.T) {
			conn, err := d.bindLayered(t, what.layers(0))
			if err != nil {
				t.Fatal(err)
			}
			c := goldap.NewConn(conn, false)
			c.Start()
			defer c.Close()
			who, err := c.WhoAmI(nil)
			if want := "dn:uid=" + labUser + ",ou=people,dc=example"; err != nil || who.AuthzID != want {
				t.Fatalf("whoami: %+v, %v; want %s", who, err, want)
			}
			found, err := c.Search(goldap.NewSearchRequest("dc=example", goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 30, false, "(uid=somebody*)", []string{"uid"}, nil))
			if err != nil || len(found.Entries) != 200 {
				t.Errorf("search: %v", err)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		if _, err := d.bindLayered(t, mech.Layers{}); err == nil {
			t.Error("let in without a layer")
		}
	})
}

// bindLayered binds with DIGEST-MD5 and returns the connection under its layer.
func (d *directory) bindLayered(t *testing.T, l mech.Layers) (net.Conn, error) {
	t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+d.port)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	client, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: labUser, Password: labPassword},
		Mechanisms:  []string{"DIGEST-MD5"}, Service: "ldap", Host: "ldap.example", Layers: l,
	})
	if err != nil {
		return nil, err
	}
	_, response, err := client.Start()
	for id := int64(1); err == nil; id++ {
		var challenge []byte
		var more bool
		if challenge, more, err = ldapBind(conn, id, response); err != nil {
			return nil, err
		}
		if challenge != nil {
			response, err = client.Next(challenge)
		}
		if !more && err == nil {
			if err := client.Finish(); err != nil {
				return nil, err
			}
			return client.Layer(conn)
		}
	}
	return nil, err
}

// ldapBind is one step of a SASL bind (RFC 4511 sections 4.2 and 4.2.2).
func ldapBind(conn net.Conn, id int64, response []byte) (challenge []byte, more bool, err error) {
	const success, inProgress = 0, 14
	sasl := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "sasl")
	sasl.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "DIGEST-MD5", "mechanism"))
	if response != nil {
		sasl.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, string(response), "credentials"))
	}
	bind := ber.Encode(ber.ClassApplication, ber.TypeConstructed, 0, nil, "bind")
	bind.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 3, "version"))
	bind.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", "name"))
	bind.AppendChild(sasl)
	message := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "message")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, "id"))
	message.AppendChild(bind)
	if _, err := conn.Write(message.Bytes()); err != nil {
		return nil, false, err
	}
	answer, err := ber.ReadPacket(conn)
	if err != nil {
		return nil, false, err
	}
	if len(answer.Children) < 2 || len(answer.Children[1].Children) < 3 {
		return nil, false, errors.New("ldap: not an answer to a bind")
	}
	result := answer.Children[1].Children
	code, _ := result[0].Value.(int64)
	if code != success && code != inProgress {
		return nil, false, fmt.Errorf("ldap: result %d: %v", code, result[2].Value)
	}
	for _, part := range result[3:] {
		if part.ClassType == ber.ClassContext && part.Tag == 7 {
			challenge = part.Data.Bytes()
		}
	}
	return challenge, code == inProgress, nil
}
