package mech

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/ntlm"
	"github.com/saslkit/saslkit/internal/otp"
	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/verifier"
)

var vectorsDir = flag.String("vectors", "testdata/vectors", "folder of vector files to run")

type vector struct {
	ID              string
	Kind            string
	Mechanism       string
	Why             string
	Sides           []string
	InitialResponse bool `json:"initial_response"`
	Server, Client  fields
	Steps           []vectorStep
	Expect          vectorExpect
	Layer           []vectorPacket
	Direction       string

	Side, State, Base, Code string
	B64                     string
	Absent                  bool

	CertDER []byte  `json:"cert_der_b64"`
	CBHex   *string `json:"cb_hex"`

	Password   string
	Salt       []byte `json:"salt_b64"`
	Iterations int
	RFC5803    string
	PostgreSQL string
	Gsasl      string `json:"dovecot_gsasl"`
	Kafka      string
	Text       string
	OK         bool
	Hex        string

	Protocol string
	Lines    []string

	Alg, Seed, Passphrase, Words string
	Seq                          int

	InHex         string `json:"in_utf8_hex"`
	Stored, Query *struct {
		Hex string `json:"utf8_hex"`
	}
}

type vectorStep struct {
	From   string
	B64    []byte `json:"b64"`
	Absent bool
}

// message is what crosses the wire: nil if nothing does.
func (s vectorStep) message() []byte {
	if s.Absent {
		return nil
	}
	return append([]byte{}, s.B64...)
}

type vectorExpect struct {
	OK                  bool
	Reply               string // of framing
	Code                string
	Authcid             *string
	Authzid             *string
	Realm               *string
	Trace               *string
	PreparedPasswordHex string     `json:"prepared_password_utf8_hex"`
	ClientCode          string     `json:"client_code"`
	SaltedPasswordHex   string     `json:"salted_password_hex"`
	AuthMessage         string     `json:"auth_message"`
	ClientProofHex      string     `json:"client_proof_hex"`
	StoredAfter         *vectorOTP `json:"stored_after"`
}

// vectorOTP is the state of a series.
type vectorOTP struct {
	Alg, Seed string
	Seq       int
	LastHex   string `json:"last_hex"`
}

func (s vectorOTP) record() []byte {
	return fmt.Appendf(nil, "%s\t%04d\t%s\t%s\t%020d", s.Alg, s.Seq, s.Seed, s.LastHex, 0)
}

// fields keeps an object open, so that a vector can replace single fields of its
// base.
type fields map[string]json.RawMessage

func (f fields) over(base fields) fields {
	merged := fields{}
	for _, m := range []fields{base, f} {
		for k, v := range m {
			merged[k] = v
		}
	}
	return merged
}

func (f fields) into(t *testing.T, v any) {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

type vectorServer struct {
	Users map[string]struct {
		Password *string
		Realm    string
		CRAM     string `json:"hmac_md5_contexts_hex"`
		Digest   string `json:"h_user_realm_pass_hex"`
		RFC5803  string
		Dovecot  string
		NTHash   string `json:"nt_hash_hex"`
		vectorOTP

		Salt       string `json:"salt_b64"`
		Iterations int
		StoredKey  string `json:"stored_key_b64"`
		ServerKey  string `json:"server_key_b64"`
	}
	AllowAuthzid map[string][]string `json:"allow_authzid"`
	External     string              `json:"external_id"`
	Challenge    string
	Realms       []string
	Service      string
	Hosts        []string
	UTF8         bool `json:"charset_utf8"`
	QOP          string
	Ciphers      []string
	Nonce        string
	ServerNonce  string `json:"server_nonce"`
	PlusOffered  bool   `json:"plus_offered"`
	CBType       string `json:"cb_type"`
	CBData       []byte `json:"cb_data_b64"`
	Tokens       map[string]struct{ User string }
	NTLM         string `json:"challenge_hex"`
	NTLMv1       bool   `json:"accept_ntlmv1"`
	Target       string
	TargetInfo   string `json:"target_info_hex"`
}

type vectorClient struct {
	Username, Authcid, Authzid, Password, Trace string
	Realm                                       *string
	CNonce                                      string
	URI                                         string `json:"digest_uri"`
	QOP                                         string
	Cipher                                      *string
	ClientNonce                                 string  `json:"client_nonce"`
	Flag                                        string  `json:"gs2_flag"`
	CBType                                      *string `json:"cb_type"`
	CBData                                      []byte  `json:"cb_data_b64"`
	MinIterations                               int     `json:"min_iterations"`
	MaxIterations                               int     `json:"max_iterations"`
	Host                                        string
	Port                                        int
	Token                                       string
	Domain, Workstation                         string
	ClientChallenge                             string        `json:"client_challenge_hex"`
	Timestamp                                   ntlm.FileTime `json:"timestamp_filetime"`
	Passphrase, Form                            string
}

func TestVectors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(*vectorsDir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vector files in %s (%v)", *vectorsDir, err)
	}
	all := map[string]vector{}
	var order []string
	for _, name := range files {
		for _, v := range loadVectors(t, name) {
			if _, twice := all[v.ID]; twice {
				t.Fatalf("%s: id %q is there twice", name, v.ID)
			}
			all[v.ID] = v
			order = append(order, v.ID)
		}
	}
	for _, id := range order {
		t.Run(id, func(t *testing.T) {
			runVector(t, all[id], all)
			if t.Failed() && all[id].Why != "" {
				t.Logf("why: %s", all[id].Why)
			}
		})
	}
}

func loadVectors(t *testing.T, name string) []vector {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Schema    string
		Mechanism string
		Count     int
		Vectors   []vector
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if file.Vectors == nil {
		return nil // otp-words.json
	}
	if file.Schema != "sasl-vectors/1" || file.Count != len(file.Vectors) {
		t.Fatalf("%s: schema %q with %d of %d vectors", name, file.Schema, len(file.Vectors), file.Count)
	}
	for i := range file.Vectors {
		if file.Vectors[i].Mechanism == "" {
			file.Vectors[i].Mechanism = file.Mechanism
		}
	}
	return file.Vectors
}

func runVector(t *testing.T, v vector, all map[string]vector) {
	switch v.Kind {
	case "tls-server-end-point":
		runEndPoint(t, v)
		return
	case "saslprep":
		runSASLprep(t, v)
		return
	case "stored":
		runStored(t, v)
		return
	case "base64":
		got, err := scram.AppendDecoded(nil, []byte(v.Text))
		if (err == nil) != v.OK || v.OK && hex.EncodeToString(got) != v.Hex {
			t.Errorf("%q is %x, %v; want %v %s", v.Text, got, err, v.OK, v.Hex)
		}
		return
	case "framing":
		runFraming(t, v)
		return
	case "otp-compute":
		h, _ := otp.ByName(v.Alg)
		got := h.Compute(v.Seed, v.Passphrase, v.Seq)
		if again, ok := h.ParseWords(v.Words); got.Hex() != v.Hex || got.Words() != v.Words || !ok || again != got {
			t.Errorf("%s, %s; want %s, %s", got.Hex(), got.Words(), v.Hex, v.Words)
		}
		return
	case "negative-stored":
		if s, err := verifier.ParseSCRAM(v.Text); err == nil {
			t.Errorf("read as %v", s.Kind)
		}
		return
	case "negative-layer":
		runNegativeLayer(t, v, all[v.Base])
		return
	case "exchange", "negative", "tolerated":
	default:
		t.Skipf("kind %s is not built", v.Kind)
	}
	m := ByName(v.Mechanism)
	switch {
	case m == nil:
		t.Skipf("mechanism %s is not built", v.Mechanism)
	case v.Kind == "exchange":
		for _, side := range v.Sides {
			runExchange(t, m, v, side)
		}
	default:
		if base, ok := all[v.Base]; ok {
			v.Server, v.Client, v.Steps = v.Server.over(base.Server), v.Client.over(base.Client), base.Steps
		} else if v.Base != "" {
			t.Fatalf("base %q is not in the folder", v.Base)
		}
		runSingle(t, m, v)
	}
}

// runStored makes keys from a password, and reads and writes them in every form.
func runStored(t *testing.T, v vector) {
	kind, ok := verifier.SCRAMKind(v.Mechanism)
	made, err := SCRAMSecret(kind, v.Password, v.Salt, v.Iterations)
	if !ok || err != nil {
		t.Errorf("%s: %v", v.Mechanism, err)
	}
	for _, f := range []struct {
		form verifier.SCRAMForm
		text string
	}{{verifier.SCRAMRecord, v.RFC5803}, {verifier.SCRAMRecord, v.PostgreSQL}, {verifier.SCRAMDovecot, v.Gsasl}, {verifier.SCRAMKafka, v.Kafka}} {
		s, err := verifier.ParseSCRAM(f.text)
		if f.form == verifier.SCRAMKafka {
			s, err = verifier.ParseKafkaSCRAM(kind, f.text)
		}
		if err != nil || s.Kind != kind || !bytes.Equal(s.Value, made) {
			t.Errorf("%q: %x of kind %v, %v; want %x", f.text, s.Value, s.Kind, err, made)
		}
		if again, err := verifier.FormatSCRAM(s, f.form); err != nil || again != f.text {
			t.Errorf("%q is written as %q, %v", f.text, again, err)
		}
	}
}

func runEndPoint(t *testing.T, v vector) {
	cert, err := x509.ParseCertificate(v.CertDER)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := endPoint(cert)
	switch {
	case v.CBHex == nil && ok:
		t.Errorf("offered %x, want no binding", got)
	case v.CBHex != nil && hex.EncodeToString(got) != *v.CBHex:
		t.Errorf("got %x, want %s", got, *v.CBHex)
	}
}

func runSASLprep(t *testing.T, v vector) {
	in := unhex(t, v.InHex)
	for _, form := range []struct {
		name    string
		prepare func(string) (string, error)
		want    *struct {
			Hex string `json:"utf8_hex"`
		}
	}{{"stored", saslprep.Stored, v.Stored}, {"query", saslprep.Query, v.Query}} {
		got, err := form.prepare(string(in))
		switch {
		case form.want == nil && err == nil:
			t.Errorf("%s: got %x, want it refused", form.name, got)
		case form.want != nil && (err != nil || got != string(unhex(t, form.want.Hex))):
			t.Errorf("%s: got %x, %v; want %s", form.name, got, err, form.want.Hex)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vectorBackend answers from the users of a vector and counts.
type vectorBackend struct {
	t        *testing.T
	server   vectorServer
	kind     verifier.Kind // the one kind that the store holds
	calls    int
	stored   []byte // the OTP record after a change; nil: there was none
	dovecot  bool   // SCRAM keys are held in Dovecot's form
	password string // that VerifyPassword was asked about
}

func (b *vectorBackend) External() string            { return b.server.External }
func (b *vectorBackend) Offers(m *Mechanism) bool    { return m != nil && b.server.PlusOffered }
func (b *vectorBackend) Named() (user, realm string) { return "", "" }
func (b *vectorBackend) Binding(typ string) ([]byte, bool) {
	return b.server.CBData, typ == b.server.CBType && typ != ""
}
func (b *vectorBackend) Realms() []string { return b.server.Realms }

func (b *vectorBackend) VerifyPassword(_ context.Context, name, password string) (verifier.Account, error) {
	b.calls++
	b.password = password
	u, ok := b.server.Users[name]
	switch {
	case !ok:
		return verifier.Account{}, verifier.ErrNoUser
	case u.Password == nil || !verifier.MatchPassword(password, *u.Password):
		return verifier.Account{}, verifier.ErrWrongPassword
	}
	return verifier.Account{User: name}, nil
}

func (b *vectorBackend) LookupSecret(_ context.Context, name, realm string, kinds []verifier.Kind) (verifier.Secret, error) {
	b.calls++
	u, ok := b.server.Users[name]
	decoy := verifier.Secret{Kind: verifier.KindPassword, Value: []byte("decoy")}
	if !ok || u.Realm != "" && u.Realm != realm {
		return decoy, verifier.ErrNoUser
	}
	held := verifier.Secret{Kind: b.kind, Account: verifier.Account{User: name, Realm: u.Realm}}
	switch {
	case !slices.Contains(kinds, b.kind):
		return decoy, verifier.ErrNoSecret
	case b.kind == verifier.KindPassword:
		held.Value = []byte(*u.Password)
	case b.kind == verifier.KindCRAMMD5:
		held.Value = unhex(b.t, u.CRAM)
	case b.kind == verifier.KindDIGESTMD5:
		held.Value = unhex(b.t, u.Digest)
	case b.kind == verifier.KindNTHash:
		held.Value = unhex(b.t, u.NTHash)
	case b.kind == verifier.KindOTP:
		held.Value = u.record()
	case b.kind.IsSCRAM():
		text := fmt.Sprintf("%s$%d:%s$%s:%s", b.kind.SCRAMName(), u.Iterations, u.Salt, u.StoredKey, u.ServerKey)
		if u.RFC5803 != "" && u.RFC5803 != text {
			b.t.Errorf("two records: %q and %q", u.RFC5803, text)
		}
		if b.dovecot && u.Dovecot != "" {
			text = u.Dovecot
		}
		s, err := verifier.ParseSCRAM(text)
		if err != nil {
			b.t.Error(err)
		}
		held.Value = s.Value
	}
	return held, nil
}

func (b *vectorBackend) VerifyToken(_ context.Context, _, token string) (verifier.Account, error) {
	b.calls++
	if held, ok := b.server.Tokens[token]; ok {
		return verifier.Account{User: held.User}, nil
	}
	return verifier.Account{}, &verifier.TokenError{Status: verifier.TokenInvalid}
}

func (b *vectorBackend) ReplaceSecret(_ context.Context, _ verifier.Kind, change func([]byte) ([]byte, error)) (err error) {
	for _, u := range b.server.Users { // there is one
		b.stored, err = change(u.record())
	}
	return err
}

func (b *vectorBackend) Authorize(_ context.Context, a verifier.Account, authzid string) (string, error) {
	if authzid == a.User {
		return authzid, nil
	}
	if slices.Contains(b.server.AllowAuthzid[authzid], a.User) {
		return authzid, nil
	}
	return "", verifier.ErrNotPermitted
}

// serverVariants are the ways in which a vector's server is set up: once with
// each kind of secret that its users have, DIGEST-MD5 with and without host
// names.
func testDerivation(t testing.TB) *Derivation {
	d, err := NewDerivation(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func serverVariants(t *testing.T, m *Mechanism, v vector) []func() (Server, *vectorBackend) {
	s := vectorServer{Service: "imap"}
	v.Server.into(t, &s)
	kinds := []verifier.Kind{verifier.KindPassword}
	for _, u := range s.Users {
		if m == CRAMMD5 && u.CRAM != "" {
			kinds = append(kinds, verifier.KindCRAMMD5)
		}
		if m == DIGESTMD5 && u.Digest != "" {
			kinds = append(kinds, verifier.KindDIGESTMD5)
		}
		if m == NTLM && u.NTHash != "" {
			kinds = append(kinds, verifier.KindNTHash)
		}
	}
	if kind, ok := verifier.SCRAMKind(m.Name); ok {
		kinds = []verifier.Kind{kind, kind}
	}
	if m == OTP {
		kinds = []verifier.Kind{verifier.KindOTP}
	}
	hosts := [][]string{nil}
	if m == DIGESTMD5 && len(s.Hosts) > 0 {
		hosts = append(hosts, s.Hosts)
	}
	var variants []func() (Server, *vectorBackend)
	for i, kind := range kinds {
		for _, names := range hosts {
			variants = append(variants, func() (Server, *vectorBackend) {
				b := &vectorBackend{t: t, server: s, kind: kind, dovecot: i > 0}
				cfg := &ServerConfig{
					Service: s.Service, HostNames: names,
					SCRAM:  testDerivation(t),
					nonce:  func() string { return s.Nonce + s.Challenge + s.ServerNonce },
					latin1: !s.UTF8, Layers: serverLayersOf(listOf(s.QOP), s.Ciphers),
				}
				if m == NTLM {
					cfg.AllowNTLMv1, cfg.ntlm = s.NTLMv1, &ntlmTarget{s.Target, unhex(t, s.TargetInfo)}
					cfg.nonce = func() string { return string(unhex(t, s.NTLM)) }
				}
				return m.NewServer(cfg, b), b
			})
		}
	}
	return variants
}

func newVectorClient(t *testing.T, m *Mechanism, v vector) Client {
	var c vectorClient
	v.Client.into(t, &c)
	cfg := &ClientConfig{
		Credentials:   Credentials{Username: c.Username + c.Authcid, Password: c.Password + c.Passphrase, Authzid: c.Authzid, Trace: c.Trace},
		nonce:         func() string { return c.CNonce + c.ClientNonce },
		MinIterations: c.MinIterations, MaxIterations: c.MaxIterations,
		Layers: layersOf(listOf(c.QOP), c.ciphers()),
	}
	if m.Need == NeedToken {
		cfg.Token, cfg.Host, cfg.Port = FixedToken(c.Token), c.Host, c.Port
	}
	if c.Form == "word" {
		cfg.OTPForm = OTPWords
	}
	if c.CBType != nil {
		cfg.Binding = func(typ string) ([]byte, bool) { return c.CBData, typ == *c.CBType }
	}
	if c.Flag == "y" { // the channel could bind, and no -PLUS was seen
		cfg.Offered, cfg.Binding = []string{}, func(string) ([]byte, bool) { return []byte("x"), true }
	}
	if c.Realm != nil {
		cfg.Realm = *c.Realm
	}
	if m == NTLM {
		cfg.Realm = c.Domain
		cfg.ntlm = &ntlmRecorded{ntlm.Nonce(unhex(t, c.ClientChallenge)), c.Timestamp, c.Workstation}
	}
	if parts := strings.Split(c.URI, "/"); len(parts) > 1 {
		cfg.Service, cfg.Host = parts[0], parts[1]
		cfg.ServiceName = strings.Join(parts[2:], "/")
	}
	return m.NewClient(cfg)
}

// runArithmetic computes what a vector of SCRAM says beside its messages.
func runArithmetic(t *testing.T, m *Mechanism, v vector) {
	h, ok := scram.ByName(m.WithoutBinding())
	if !ok || v.Expect.SaltedPasswordHex == "" {
		return
	}
	s, c := vectorServer{}, vectorClient{}
	v.Server.into(t, &s)
	v.Client.into(t, &c)
	name, err := saslprep.Query(c.Username)
	u, found := s.Users[name]
	if err != nil || !found {
		return
	}
	salt, err := base64.StdEncoding.DecodeString(u.Salt)
	if err != nil {
		t.Fatal(err)
	}
	salted, err := h.Salted(t.Context(), saslprep.Password(c.Password), salt, u.Iterations)
	if err != nil || hex.EncodeToString(salted) != v.Expect.SaltedPasswordHex {
		t.Errorf("salted password %x, %v; want %s", salted, err, v.Expect.SaltedPasswordHex)
	}
	if proof := h.Proof(nil, salted, []byte(v.Expect.AuthMessage)); hex.EncodeToString(proof) != v.Expect.ClientProofHex {
		t.Errorf("proof %x, want %s", proof, v.Expect.ClientProofHex)
	}
}

func runExchange(t *testing.T, m *Mechanism, v vector, side string) {
	runArithmetic(t, m, v)
	if side == "client" {
		driveClient(t, m, v)
		return
	}
	for _, newServer := range serverVariants(t, m, v) {
		s, b := newServer()
		driveServer(t, m, v, s, b)
	}
}

func driveServer(t *testing.T, m *Mechanism, v vector, s Server, b *vectorBackend) {
	t.Helper()
	last := lastClientStep(v.Steps)
	acknowledged := false // the step after success data only answers it
	for i, step := range v.Steps[:last+1] {
		if step.From != "C" {
			continue
		}
		if acknowledged {
			return
		}
		o := s.Step(t.Context(), step.message())
		if i == last || o.State == Done {
			checkEnd(t, v, b, o)
			checkLayer(t, v, LayerOf(s), "server_to_client", "client_to_server")
			if i == last || o.State != Done {
				return
			}
			acknowledged = true
		} else if o.State != More {
			t.Fatalf("server, step %d: state %d, %v; want a challenge", i, o.State, o.Err)
		}
		sameMessage(t, m, "server's message", o.Data, v.Steps[i+1].B64)
	}
}

func lastClientStep(steps []vectorStep) int {
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i].From == "C" {
			return i
		}
	}
	return -1
}

func checkEnd(t *testing.T, v vector, b *vectorBackend, o Outcome) {
	t.Helper()
	if !v.Expect.OK {
		if o.State != Failed {
			t.Fatalf("server succeeded, want %s", v.Expect.Code)
		}
		checkError(t, "server", o.Err, v.Expect.Code)
		return
	}
	if o.State != Done {
		t.Fatalf("server: state %d, %v (%s); want success", o.State, o.Err, o.Err.Detail())
	}
	for _, f := range []struct {
		name string
		want *string
		got  string
	}{
		{"authcid", v.Expect.Authcid, o.Identity.Account.User},
		{"authzid", v.Expect.Authzid, o.Identity.Authzid},
		{"realm", v.Expect.Realm, o.Identity.Account.Realm},
		{"trace", v.Expect.Trace, o.Identity.Trace},
	} {
		if f.want != nil && f.got != *f.want {
			t.Errorf("%s is %q, want %q", f.name, f.got, *f.want)
		}
	}
	if want := v.Expect.StoredAfter; want != nil && string(b.stored) != string(want.record()) {
		t.Errorf("stored is %q, want %q", b.stored, want.record())
	}
	if want := v.Expect.PreparedPasswordHex; want != "" && hex.EncodeToString([]byte(b.password)) != want {
		t.Errorf("the verifier saw the password %x, want %s", b.password, want)
	}
}

func driveClient(t *testing.T, m *Mechanism, v vector) {
	t.Helper()
	c := newVectorClient(t, m, v)
	first, err := c.Start()
	if err != nil {
		t.Fatalf("client start: %v", err)
	}
	if m.ServerFirst && first != nil {
		t.Fatalf("client has an initial response: %q", first)
	}
	kept := !v.InitialResponse && !m.ServerFirst
	if v.InitialResponse {
		sameMessage(t, m, "initial response", first, v.Steps[0].B64)
	}
	for i, step := range v.Steps {
		if step.From != "S" {
			continue
		}
		answer := first
		if !kept {
			answer, err = c.Next(step.message())
			if err != nil && v.Expect.ClientCode != "" {
				checkError(t, "client", err, v.Expect.ClientCode)
				return
			}
			if err != nil {
				t.Fatalf("client, step %d: %v", i, err)
			}
		}
		kept = false
		if answer == nil {
			t.Fatalf("client, step %d: nil response", i)
		}
		sameMessage(t, m, "client's message", answer, v.Steps[i+1].B64)
	}
	if v.Expect.ClientCode != "" {
		t.Errorf("the client is content, want %s", v.Expect.ClientCode)
	}
	if err := c.Finish(); v.Expect.OK && err != nil {
		t.Errorf("Finish: %v", err)
	}
	if v.Expect.OK {
		checkLayer(t, v, c.Assurance().Layer, "client_to_server", "server_to_client")
	}
}

// sameMessage compares bytes, DIGEST-MD5's messages as directives in any order. Why a
// token is refused may be said in other words.
func sameMessage(t *testing.T, m *Mechanism, what string, got, want []byte) {
	t.Helper()
	if m.Need == NeedToken && bytes.HasPrefix(want, []byte("{")) {
		if _, err := parseOAuthRefusal(got); err != nil {
			t.Errorf("%s is %q: %v", what, got, err)
		}
		return
	}
	if m == NTLM {
		sameNTLM(t, what, got, want)
		return
	}
	if m != DIGESTMD5 || bytes.Equal(got, want) {
		if !bytes.Equal(got, want) {
			t.Errorf("%s is %q, want %q", what, got, want)
		}
		return
	}
	if diff := cmp.Diff(directiveMap(t, want), directiveMap(t, got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func directiveMap(t *testing.T, b []byte) map[string][]string {
	t.Helper()
	list, err := parseDirectives(nil, "message", b)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string][]string{}
	for _, d := range list {
		value := []string{d.value}
		switch d.name {
		case "qop", "cipher":
			value = listOf(d.value)
			slices.Sort(value)
		case "maxbuf":
			if d.value == "65536" {
				continue // the default
			}
		}
		m[d.name] = append(m[d.name], value...)
	}
	return m
}

func runSingle(t *testing.T, m *Mechanism, v vector) {
	message, err := base64.StdEncoding.DecodeString(v.B64)
	if err != nil {
		t.Fatal(err)
	}
	if v.Side == "client" {
		singleClient(t, m, v, message)
		return
	}
	for _, newServer := range serverVariants(t, m, v) {
		for _, lead := range leads(t, m, v) {
			s, b := newServer()
			for _, response := range lead {
				if o := s.Step(t.Context(), response); o.State != More {
					t.Fatalf("leading up: %v", o.Err)
				}
			}
			before := b.calls
			o := s.Step(t.Context(), message)
			if v.Kind == "tolerated" {
				if o.State == Failed {
					t.Errorf("refused: %v (%s)", o.Err, o.Err.Detail())
				}
				continue
			}
			checkRefusal(t, v, o, b.calls-before)
			if again := s.Step(t.Context(), message); !errors.Is(again.Err, ErrExchangeOver) || again.State != Failed {
				t.Errorf("a further step gives %v, want ErrExchangeOver", again.Err)
			}
		}
	}
}

// leads are the responses that bring a server into the state of a vector.
func leads(t *testing.T, m *Mechanism, v vector) [][][]byte {
	switch v.State {
	case "start":
		if m.ServerFirst {
			return [][][]byte{nil}
		}
		return [][][]byte{nil, {nil}}
	case "after-challenge":
		if !m.ServerFirst {
			return [][][]byte{{v.Steps[0].message()}, {nil, v.Steps[0].message()}}
		}
		return [][][]byte{{nil}}
	case "after-error":
		return [][][]byte{{v.Steps[0].message()}}
	case "after-server-first":
		return [][][]byte{{v.Steps[0].message()}}
	}
	t.Fatalf("state %q is not known for a server", v.State)
	return nil
}

func checkRefusal(t *testing.T, v vector, o Outcome, calls int) {
	t.Helper()
	if o.State != Failed || o.Data != nil || o.Identity != nil {
		t.Fatalf("state %d, data %q, identity %v; want a failure and nothing with it", o.State, o.Data, o.Identity)
	}
	checkError(t, "server", o.Err, v.Code)
	if c := o.Err.Class; calls != 0 && (c == Malformed || c == Limit || v.Code == "empty-password") {
		t.Errorf("%d calls of the verifier for %s", calls, v.Code)
	}
}

func singleClient(t *testing.T, m *Mechanism, v vector, message []byte) {
	c := newVectorClient(t, m, v)
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if v.State == "rspauth" || v.State == "client-final-sent" {
		if _, err := c.Next(v.Steps[1].B64); err != nil {
			t.Fatal(err)
		}
	}
	if v.Absent {
		checkError(t, "client's Finish", c.Finish(), v.Code)
		return
	}
	response, err := c.Next(message)
	if v.Kind == "tolerated" {
		if err != nil || response == nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if response != nil {
		t.Errorf("client answers %q", response)
	}
	checkError(t, "client", err, v.Code)
	if c.Finish() == nil {
		t.Error("Finish succeeds after the failure")
	}
	if _, err := c.Next(message); !errors.Is(err, ErrExchangeOver) {
		t.Errorf("a further step gives %v, want ErrExchangeOver", err)
	}
}

// codeClasses says which class a code of the vectors stands for.
var codeClasses = map[string]Class{
	"malformed": Malformed, "prep": Malformed, "protocol": Malformed, "bad-qop": Malformed,
	"too-long":        Limit,
	"bad-credentials": BadCredentials, "empty-password": BadCredentials, "replay": BadCredentials,
	"bad-nonce": BadCredentials, "bad-realm": BadCredentials, "bad-uri": BadCredentials,
	"authz-denied":          NotPermitted,
	"mechanism-unavailable": MechanismUnavailable,
	"bad-server":            ServerNotVerified,

	"invalid-encoding": Malformed, "invalid-username-encoding": Malformed, "extensions-not-supported": Malformed,
	"channel-binding-not-supported": Malformed,
	"iterations-too-high":           Limit, "iterations-too-low": TooWeak,
	"invalid-proof": BadCredentials, "channel-bindings-dont-match": BadCredentials,
	"server-does-support-channel-binding": BadCredentials,
	"server-error":                        ServerRefused,
	"auth-failed":                         BadCredentials,
}

func checkError(t *testing.T, who string, err error, code string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: error %v, want an *Error with code %s", who, err, code)
	}
	want, known := codeClasses[code]
	if code == "nonce" { // not the server's nonce, or not the client's
		if want, known = BadCredentials, true; who == "client" {
			want = ServerNotVerified
		}
	}
	if !known {
		t.Fatalf("code %q is not known", code)
	}
	if e.Class != want {
		t.Errorf("%s: class %q (%s), want %q for code %s", who, e.Class, e.Detail(), want, code)
	}
	if e.Code != code {
		t.Errorf("%s: code %q (%s), want %q", who, e.Code, e.Detail(), code)
	}
}
