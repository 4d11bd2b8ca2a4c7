package mech

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/ntlm"
	"github.com/saslkit/saslkit/internal/otp"
	"github.com/saslkit/saslkit/verifier"
)

// Every parser is fuzzed for the same things: an error comes with the zero value,
// and what was parsed, printed and parsed again is the same. Every server is
// fuzzed with whole conversations in FuzzServer.

// seed adds the client's or the server's messages of the vector files.
func seed(f *testing.F, file, from string) {
	f.Helper()
	t := &testing.T{}
	for _, v := range loadVectors(t, "testdata/vectors/"+file) {
		for _, s := range v.Steps {
			if s.From == from {
				f.Add(s.B64)
			}
		}
	}
}

// fuzzParser checks one parser and its printer.
func fuzzParser[M any](f *testing.F, parse func([]byte) (M, error), print func(M) []byte) {
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parse(b)
		if err != nil {
			var syntax *SyntaxError
			var e *Error
			if errors.As(err, &e) && e.Class == ServerRefused && bytes.HasPrefix(b, []byte("e=")) {
				return // the grammar's way to say no
			}
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(b) || syntax.Reason == "" {
				t.Fatalf("error is %#v, want a SyntaxError within the message", err)
			}
			var zero M
			if !reflect.DeepEqual(m, zero) {
				t.Fatalf("error %v comes with %+v", err, m)
			}
			return
		}
		printed := print(m)
		again, err := parse(printed)
		if err != nil {
			t.Fatalf("%q prints as %q, which does not parse: %v", b, printed, err)
		}
		if diff := cmp.Diff(m, again, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
			t.Fatalf("%q prints as %q, which is another message:\n%s", b, printed, diff)
		}
	})
}

func FuzzPlainMessage(f *testing.F) {
	seed(f, "plain.json", "C")
	fuzzParser(f, parsePlain, func(m plainMessage) []byte { return m.append(nil) })
}

func FuzzCRAMMD5Response(f *testing.F) {
	seed(f, "cram-md5.json", "C")
	fuzzParser(f, parseCRAMMD5, func(m cramMD5Message) []byte { return m.append(nil) })
}

func FuzzDigestChallenge(f *testing.F) {
	seed(f, "digest-md5.json", "S")
	f.Add([]byte(`realm="a",realm=b,nonce="x",qop="auth,auth-conf",cipher="rc4,3des",maxbuf=17,stale=true,algorithm=md5-sess`))
	fuzzParser(f, parseDigestChallenge, func(c digestChallenge) []byte { return c.append(nil) })
}

func FuzzDigestResponse(f *testing.F) {
	seed(f, "digest-md5.json", "C")
	fuzzParser(f, parseDigestResponse, func(r digestResponse) []byte { return r.append(nil) })
}

func FuzzDigestRspauth(f *testing.F) {
	seed(f, "digest-md5.json", "S")
	fuzzParser(f, parseRspauth, func(s string) []byte { return []byte("rspauth=" + s) })
}

func FuzzSCRAMClientFirst(f *testing.F) {
	seed(f, "scram.json", "C")
	f.Add([]byte("p=tls-exporter,a=other=2C,n=us=3Der,r=x,z=1,Z=="))
	fuzzParser(f, parseSCRAMClientFirst, func(m scramClientFirst) []byte { return m.append(nil) })
}

func FuzzSCRAMServerFirst(f *testing.F) {
	seed(f, "scram.json", "S")
	fuzzParser(f, parseSCRAMServerFirst, func(m scramServerFirst) []byte { return m.append(nil) })
}

func FuzzSCRAMClientFinal(f *testing.F) {
	seed(f, "scram.json", "C")
	fuzzParser(f, parseSCRAMClientFinal, func(m scramClientFinal) []byte { return m.append(nil) })
}

func FuzzSCRAMServerFinal(f *testing.F) {
	seed(f, "scram.json", "S")
	fuzzParser(f, parseSCRAMServerFinal, func(m scramServerFinal) []byte { return m.append(nil) })
}

func FuzzOAUTHBEARERMessage(f *testing.F) {
	seed(f, "oauthbearer.json", "C")
	f.Add([]byte("y,a=a=3Db=2Cc,\x01host=h\x01port=25\x01mthd=POST\x01auth=\x01\x01"))
	fuzzParser(f, parseOAUTHBEARER, func(m oauthMessage) []byte { return m.appendOAUTHBEARER(nil) })
}

func FuzzXOAUTH2Message(f *testing.F) {
	seed(f, "xoauth2.json", "C")
	fuzzParser(f, parseXOAUTH2, func(m oauthMessage) []byte { return m.appendXOAUTH2(nil) })
}

func FuzzOAuthRefusal(f *testing.F) {
	seed(f, "oauthbearer.json", "S")
	seed(f, "xoauth2.json", "S")
	fuzzParser(f, parseOAuthRefusal, func(r oauthRefusal) []byte { return r.append(nil) })
}

func FuzzOTPNames(f *testing.F) {
	seed(f, "otp.json", "C")
	fuzzParser(f, parseOTPNames, func(m otpNames) []byte { return m.append(nil) })
}

func FuzzOTPChallenge(f *testing.F) {
	seed(f, "otp.json", "S")
	f.Add([]byte("otp-SHA1\t0007  TeSt ext,foo,bar "))
	fuzzParser(f, parseOTPChallenge, func(m otpChallenge) []byte { return m.append(nil) })
}

func FuzzOTPAnswer(f *testing.F) {
	seed(f, "otp.json", "C")
	f.Add([]byte(" INIT-Word :OSLO IBIS WEE HIGH RED WALK:what:ever"))
	fuzzParser(f, func(b []byte) (otpAnswer, error) { return parseOTPAnswer(b, otp.SHA1) }, func(m otpAnswer) []byte { return m.append(nil) })
}

func FuzzOTPRenewal(f *testing.F) {
	f.Add([]byte("sha1 499 ke9999:158db41c30d02de2"))
	f.Add([]byte(" md5\t0002 a : 158d b41c 30d0 2de2 "))
	fuzzParser(f, func(b []byte) (otpRecord, error) { return parseOTPRenewal(string(b), OTPHex) }, func(r otpRecord) []byte { return r.appendRenewal(nil, OTPHex) })
}

func FuzzOTPRecord(f *testing.F) {
	f.Add([]byte("md5\t0499\tvm3333\t2b2b2ef89c2e8954\t00000000000000000000"))
	f.Add([]byte("SHA1\t7\tTeSt\t2B2B2EF89C2E8954\t18446744073709551615"))
	fuzzParser(f, parseOTPRecord, func(r otpRecord) []byte { return r.append(nil) })
}

func FuzzAnonymousTrace(f *testing.F) {
	seed(f, "anonymous.json", "C")
	f.Fuzz(func(t *testing.T, b []byte) {
		s := ANONYMOUS.NewServer(&ServerConfig{}, nobody{})
		o := s.Step(t.Context(), b)
		if o.State == More && b == nil {
			return
		}
		if o.State == Done && (!utf8.Valid(b) || bytes.ContainsAny(b, "\r\n\x00") || o.Identity.Trace != string(b)) {
			t.Fatalf("trace %q was accepted as %q", b, o.Identity.Trace)
		}
	})
}

func FuzzExternalAuthzid(f *testing.F) {
	seed(f, "external.json", "C")
	f.Fuzz(func(t *testing.T, b []byte) {
		s := EXTERNAL.NewServer(&ServerConfig{}, nobody{})
		o := s.Step(t.Context(), b)
		if o.State == Done && (len(b) > 0 && string(b) != "chris" || o.Identity.Account.User != "chris") {
			t.Fatalf("authzid %q was accepted for chris", b)
		}
	})
}

// nobody is a backend without users that still hands out a decoy, and with a
// password that the fuzzer does not know.
type nobody struct{}

func (nobody) External() string            { return "chris" }
func (nobody) Realms() []string            { return []string{"example.com"} }
func (nobody) Offers(*Mechanism) bool      { return true }
func (nobody) Named() (user, realm string) { return "nobody", "" }
func (nobody) Binding(typ string) ([]byte, bool) {
	return []byte("binding data"), typ == BindingExporter
}
func (nobody) VerifyPassword(context.Context, string, string) (verifier.Account, error) {
	return verifier.Account{}, verifier.ErrNoUser
}
func (nobody) VerifyToken(context.Context, string, string) (verifier.Account, error) {
	return verifier.Account{}, &verifier.TokenError{}
}
func (nobody) LookupSecret(context.Context, string, string, []verifier.Kind) (verifier.Secret, error) {
	return verifier.Secret{Kind: verifier.KindPassword, Value: []byte("decoy password")}, verifier.ErrNoUser
}
func (nobody) ReplaceSecret(context.Context, verifier.Kind, func([]byte) ([]byte, error)) error {
	return verifier.ErrNoUser
}
func (nobody) Authorize(context.Context, verifier.Account, string) (string, error) {
	return "", verifier.ErrNotPermitted
}

// FuzzServer sends three arbitrary responses to the server of every mechanism
// that asks for credentials. Whatever they are, nobody is let in, every failure
// is final, and the exchange ends.
func FuzzServer(f *testing.F) {
	f.Add(uint8(0), []byte("\x00tim\x00tanstaaftanstaaf"), []byte{}, []byte{})
	f.Add(uint8(1), []byte("chris"), []byte("secret"), []byte{})
	f.Add(uint8(2), []byte(nil), []byte("tim b913a602c7eda7a495b4e6e7334d3890"), []byte{})
	f.Add(uint8(3), []byte(nil), []byte(`username="chris",realm="example.com",nonce="n",nc=00000001,cnonce="c",digest-uri="smtp/h",response=d388dad90d4bbd760a152321f2143af7,qop=auth`), []byte{})
	f.Add(uint8(4), []byte("n,,n=user,r=c"), []byte("c=biws,r=cn,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="), []byte{})
	f.Add(uint8(5), []byte("p=tls-exporter,,n=user,r=c"), []byte("c=cD10bHMtZXhwb3J0ZXIsLGJpbmRpbmcgZGF0YQ==,r=cn,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), []byte{})
	f.Add(uint8(6), []byte("n,a=al,\x01auth=Bearer x\x01\x01"), []byte("\x01"), []byte{})
	f.Add(uint8(7), []byte("user=al\x01auth=Bearer x\x01\x01"), []byte{}, []byte{})
	f.Add(uint8(8), []byte("\x00al"), []byte("init-hex:0000000000000000:md5 499 ke9999:158db41c30d02de2"), []byte{})
	for _, answer := range ntlmAnswers(f) {
		f.Add(uint8(9), ntlm.Negotiate{Flags: ntlmFlags}.Append(nil), answer, []byte{})
	}
	derivation := testDerivation(f)
	f.Fuzz(func(t *testing.T, which uint8, a, b, c []byte) {
		rows := []*Mechanism{PLAIN, LOGIN, CRAMMD5, DIGESTMD5, SCRAMSHA1, SCRAMSHA256PLUS, OAUTHBEARER, XOAUTH2, OTP, NTLM}
		m := rows[int(which)%len(rows)]
		s := m.NewServer(&ServerConfig{Service: "smtp", SCRAM: derivation, nonce: func() string { return "n" }}, nobody{})
		failed := false
		for i, response := range [][]byte{a, b, c, a, b, c} {
			if i == 0 && len(response) == 0 {
				response = nil
			}
			o := s.Step(t.Context(), response)
			switch {
			case o.State == Done:
				t.Fatalf("%s let somebody in with %q %q %q", m.Name, a, b, c)
			case failed && (o.State != Failed || !errors.Is(o.Err, ErrExchangeOver)):
				t.Fatalf("%s goes on after its failure: %d %v", m.Name, o.State, o.Err)
			case o.State == Failed && (o.Err == nil || o.Err.Class == 0 || o.Data != nil):
				t.Fatalf("%s failed with %v and data %q", m.Name, o.Err, o.Data)
			}
			failed = failed || o.State == Failed
		}
		if !failed {
			t.Fatalf("%s does not end", m.Name)
		}
	})
}

// FuzzClient sends two arbitrary challenges to the client of every mechanism.
// It never answers nil without an error, and a client that wants proof does not
// believe any.
func FuzzClient(f *testing.F) {
	f.Add(uint8(slices.Index(table, DIGESTMD5)), []byte(`realm="example.com",nonce="n",qop="auth",algorithm=md5-sess`), []byte("rspauth=00000000000000000000000000000000"))
	f.Add(uint8(slices.Index(table, SCRAMSHA256)), []byte("r=nabcdefgh,s=AAAA,i=1"), []byte("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="))
	f.Add(uint8(slices.Index(table, OAUTHBEARER)), []byte(`{"status":"invalid_token"}`), []byte{})
	f.Add(uint8(slices.Index(table, CRAMMD5)), []byte("<1896.697170952@postoffice.reston.mci.net>"), []byte{})
	f.Add(uint8(slices.Index(table, OTP)), []byte("otp-md5 123 ke1234 ext"), []byte{})
	f.Fuzz(func(t *testing.T, which uint8, a, b []byte) {
		m := table[int(which)%len(table)]
		c := m.NewClient(&ClientConfig{
			Credentials: Credentials{Username: "al", Password: "a secret phrase", Token: FixedToken("token")}, Service: "smtp", Host: "h",
			Binding: nobody{}.Binding, nonce: func() string { return "n" }, MinIterations: 1, MaxIterations: 10,
		})
		if _, err := c.Start(); err != nil {
			t.Fatal(err)
		}
		for _, challenge := range [][]byte{a, b} {
			if response, err := c.Next(challenge); response == nil && err == nil {
				t.Fatalf("%s answers %q with nil", m.Name, challenge)
			}
		}
		if m.Provides&MutualAuth != 0 && c.Finish() == nil {
			t.Fatalf("%s believes %q %q", m.Name, a, b)
		}
	})
}

// FuzzParseProperties: what is understood prints as what is understood the same.
func FuzzParseProperties(f *testing.F) {
	f.Add("noanonymous, noplaintext")
	f.Add("NOACTIVE\tmutual_auth,,")
	f.Fuzz(func(t *testing.T, list string) {
		p, err := ParseProperties(list)
		if err != nil {
			if p != 0 {
				t.Fatalf("%q: %v with an error", list, p)
			}
			return
		}
		if p&AnyMechanism == 0 {
			t.Fatalf("%q leaves the default in force", list)
		}
		if p == AnyMechanism {
			return // prints as "none", for people
		}
		if again, err := ParseProperties(p.String()); err != nil || again != p {
			t.Fatalf("%q is %v, which reads as %v, %v", list, p, again, err)
		}
	})
}
