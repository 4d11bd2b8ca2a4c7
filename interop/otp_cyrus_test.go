package interop

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/otp"
	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
)

const (
	otpPhrase   = "correct horse battery"
	otpProperty = "cmusaslsecretOTP"
)

// What libsasl2 returns.
const (
	cyrusTryAgain = -8
	cyrusBadAuth  = -13
	cyrusExpired  = -18
	cyrusNoUser   = -20
)

// needCyrusOTP wants the plugin, which Debian packs apart from the library.
func needCyrusOTP(t testing.TB) {
	t.Helper()
	for _, pattern := range []string{"/usr/lib/*/sasl2/libotp.so", "/usr/lib*/sasl2/libotp.so"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return
		}
	}
	peers.Missing(t, "Cyrus SASL's module OTP (Debian package libsasl2-modules-otp)")
}

// otpDatabase is a sasldb2 with a series of labUser that saslpasswd2 made.
func otpDatabase(t testing.TB) (file string, auth *saslkit.Authenticator) {
	t.Helper()
	needCyrusOTP(t)
	file = filepath.Join(t.TempDir(), "sasldb2")
	setPassword(t, file, labUser, otpPhrase)
	db, err := sasldb.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return file, &saslkit.Authenticator{Verifier: db, Mechanisms: []string{"OTP"}, Policy: labPolicy}
}

// otpFields are those of the record in the file.
func otpFields(t testing.TB, file string) []string {
	t.Helper()
	listing, err := sasldb.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range listing.Records {
		if r.Property == otpProperty {
			return strings.Split(string(r.Value), "\t")
		}
	}
	t.Fatal("no record")
	return nil
}

func wantOTPNumber(t testing.TB, file string, want int) {
	t.Helper()
	if f := otpFields(t, file); len(f) != 5 || f[1] != fmt.Sprintf("%04d", want) || f[4] != strings.Repeat("0", 20) {
		t.Errorf("the record is at %v, want number %d and no lock", f, want)
	}
}

// setOTPRecord writes the state of a series of otpPhrase.
func setOTPRecord(t testing.TB, file string, h otp.Hash, number int, seed string, held int64) {
	t.Helper()
	value := fmt.Sprintf("%s\t%04d\t%s\t%s\t%020d", h.Name(), number, seed, h.Compute(seed, otpPhrase, number).Hex(), held)
	err := sasldb.Edit(t.Context(), file, sasldb.WriteOptions{}, func(tx *sasldb.Tx) error {
		return tx.Set(sasldb.Record{Authid: labUser, Realm: labRealm, Property: otpProperty, Value: []byte(value)})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func wantCyrusCode(t testing.TB, err error, want int) {
	t.Helper()
	var refusal *libsasl2Refusal
	if !errors.As(err, &refusal) || refusal.code != want {
		t.Errorf("%v, want code %d", err, want)
	}
}

func wantOTPClass(t testing.TB, err error, want mech.Class) {
	t.Helper()
	var e *saslkit.Error
	if !errors.As(err, &e) || e.Class != want {
		t.Errorf("%v, want %v", err, want)
	}
}

// TestCyrusServerOTP: our client with Cyrus SASL's server, which takes turns with ours
// on one file; each goes on where the other was. MD4 is for us alone: with OpenSSL 3
// libsasl2 2.1.28 does not find it, does not notice, and crashes.
func TestCyrusServerOTP(t *testing.T) {
	t.Parallel()
	file, auth := otpDatabase(t)
	s := newLibsasl2Server(t, file)
	l := login{mechanism: "OTP", user: labUser, password: otpPhrase}
	number := 499
	for range 5 {
		if err := l.into(t, s.server("OTP", binding{})); err != nil {
			t.Fatalf("Cyrus at %d: %v", number, err)
		}
		number--
		wantOTPNumber(t, file, number)
		if r, err := loginAs(auth, "OTP", labUser, otpPhrase); err != nil || r.User != labUser || r.Realm != labRealm {
			t.Fatalf("ours at %d: %+v, %v", number, r, err)
		}
		number--
		wantOTPNumber(t, file, number)
	}
	wrong := l
	wrong.password += "x"
	wantCyrusCode(t, wrong.into(t, s.server("OTP", binding{})), cyrusBadAuth)
	wantRefused(t, auth, "OTP", labUser, otpPhrase+"x")
	for h := otp.MD4; h <= otp.SHA1; h++ {
		setOTPRecord(t, file, h, 300, "Ab12", 0)
		if h == otp.MD4 {
			setOTPRecord(t, file, h, 299, "Ab12", 0)
		} else if err := l.into(t, s.server("OTP", binding{})); err != nil {
			t.Errorf("Cyrus with %s: %v", h.Name(), err)
		}
		if _, err := loginAs(auth, "OTP", labUser, otpPhrase); err != nil {
			t.Errorf("ours with %s: %v", h.Name(), err)
		}
		wantOTPNumber(t, file, 298)
	}
	// As passwd --otp --otp-hash sha1 makes it.
	made, err := mech.OTPSecretBy("sha1", otpPhrase)
	if err != nil {
		t.Fatal(err)
	}
	if err := sasldb.Edit(t.Context(), file, sasldb.WriteOptions{}, func(tx *sasldb.Tx) error {
		return tx.Set(sasldb.Record{Authid: labUser, Realm: labRealm, Property: otpProperty, Value: made})
	}); err != nil {
		t.Fatal(err)
	}
	if err := l.into(t, s.server("OTP", binding{})); err != nil {
		t.Errorf("Cyrus with a series of ours: %v", err)
	}
	wantOTPNumber(t, file, 498)
	setOTPRecord(t, file, otp.MD5, 2, "ab12", 0)
	if err := l.into(t, s.server("OTP", binding{})); err != nil {
		t.Errorf("the last password: %v", err)
	}
	wantCyrusCode(t, l.into(t, s.server("OTP", binding{})), cyrusExpired)
	wantRefused(t, auth, "OTP", labUser, otpPhrase)
}

// TestCyrusClientOTP: Cyrus SASL's client with our server. Below number 490 it makes a
// new series of its own accord.
func TestCyrusClientOTP(t *testing.T) {
	t.Parallel()
	file, auth := otpDatabase(t)
	run := func(password string) (string, error) {
		l := smtpLab(t, setup{auth: auth})
		return mailClient{command: libsasl2SMTP}.run(t, l, "OTP", labUser, password, inClear)
	}
	setOTPRecord(t, file, otp.MD5, 491, "vm1234", 0)
	if output, err := run(otpPhrase); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	wantOTPNumber(t, file, 490)
	if output, err := run(otpPhrase); err != nil {
		t.Fatalf("new series: %v\n%s", err, output)
	}
	wantOTPNumber(t, file, 499)
	if f := otpFields(t, file); f[2] == "vm1234" {
		t.Errorf("the seed is still %s", f[2])
	}
	if output, err := run(otpPhrase); err != nil {
		t.Fatalf("in the new series: %v\n%s", err, output)
	}
	wantOTPNumber(t, file, 498)
	if output, err := run(otpPhrase + "x"); err == nil || !strings.Contains(output, "535") {
		t.Errorf("wrong phrase: %v\n%s", err, output)
	}
	wantOTPNumber(t, file, 498)
	if r, err := loginAs(auth, "OTP", labUser, otpPhrase); err != nil || r.User != labUser {
		t.Errorf("ours afterwards: %v", err)
	}
}

// An otpBegun is a login of ours that was asked for a password.
type otpBegun struct {
	exchange  *saslkit.Exchange
	challenge []byte
}

func beginOTP(t testing.TB, auth *saslkit.Authenticator) (b otpBegun, err error) {
	t.Helper()
	peer := auth.NewPeer(saslkit.PeerConfig{Realm: realm.Policy{Default: labRealm}})
	t.Cleanup(func() { peer.Close() })
	if b.exchange, err = peer.Start("OTP"); err != nil {
		t.Fatal(err)
	}
	o := b.exchange.Step([]byte("\x00" + labUser))
	if o.Err != nil {
		return b, o.Err
	}
	b.challenge = o.Data
	return b, nil
}

func otpAnswer(t testing.TB, challenge []byte) []byte {
	t.Helper()
	var number int
	var seed string
	if _, err := fmt.Sscanf(string(challenge), "otp-md5 %d %s ext", &number, &seed); err != nil {
		t.Fatalf("challenge %q: %v", challenge, err)
	}
	return []byte("hex:" + otp.MD5.Compute(seed, otpPhrase, number).Hex())
}

func (b otpBegun) finish(t testing.TB) error {
	t.Helper()
	if o := b.exchange.Step(otpAnswer(t, b.challenge)); o.Err != nil {
		return o.Err
	}
	return nil
}

// TestCyrusSharesOTP is what happens between Cyrus SASL and us on one file. Cyrus locks
// the record from challenge to answer and writes back what it read; we lock nothing.
func TestCyrusSharesOTP(t *testing.T) {
	t.Parallel()
	names := []byte("\x00" + labUser)
	t.Run("a login of Cyrus keeps ours out until it ends", func(t *testing.T) {
		t.Parallel()
		file, auth := otpDatabase(t)
		cyrus := newLibsasl2Server(t, file)
		step := cyrus.server("OTP", binding{})
		challenge, _, err := step(names)
		if err != nil {
			t.Fatal(err)
		}
		if f := otpFields(t, file); f[4] == strings.Repeat("0", 20) {
			t.Errorf("Cyrus has not locked: %v", f)
		}
		_, err = beginOTP(t, auth)
		wantOTPClass(t, err, mech.Unavailable)
		if _, done, err := step(otpAnswer(t, challenge)); !done || err != nil {
			t.Errorf("Cyrus: %v", err)
		}
		wantOTPNumber(t, file, 498)
		if _, err := loginAs(auth, "OTP", labUser, otpPhrase); err != nil {
			t.Errorf("ours afterwards: %v", err)
		}
		wantOTPNumber(t, file, 497)
	})
	t.Run("one that Cyrus began after ours wins", func(t *testing.T) {
		t.Parallel()
		file, auth := otpDatabase(t)
		step := newLibsasl2Server(t, file).server("OTP", binding{})
		ours, err := beginOTP(t, auth)
		if err != nil {
			t.Fatal(err)
		}
		challenge, _, err := step(names)
		if err != nil {
			t.Fatalf("our login keeps Cyrus out: %v", err)
		}
		wantOTPClass(t, ours.finish(t), mech.Unavailable)
		if _, done, err := step(otpAnswer(t, challenge)); !done || err != nil {
			t.Errorf("Cyrus: %v", err)
		}
		wantOTPNumber(t, file, 498)
	})
	t.Run("of two at the same number one gets in", func(t *testing.T) {
		t.Parallel()
		file, auth := otpDatabase(t)
		ours, err := beginOTP(t, auth)
		if err != nil {
			t.Fatal(err)
		}
		l := login{mechanism: "OTP", user: labUser, password: otpPhrase}
		if err := l.into(t, newLibsasl2Server(t, file).server("OTP", binding{})); err != nil {
			t.Fatal(err)
		}
		wantOTPClass(t, ours.finish(t), mech.BadCredentials)
		wantOTPNumber(t, file, 498)
	})
	t.Run("a lock that was left behind ends", func(t *testing.T) {
		t.Parallel()
		file, auth := otpDatabase(t)
		setOTPRecord(t, file, otp.MD5, 100, "ab12", time.Now().Unix()-1)
		if _, err := loginAs(auth, "OTP", labUser, otpPhrase); err != nil {
			t.Error(err)
		}
		setOTPRecord(t, file, otp.MD5, 100, "ab12", time.Now().Add(24*time.Hour).Unix())
		if _, err := loginAs(auth, "OTP", labUser, otpPhrase); err != nil {
			t.Errorf("a lock that no login has: %v", err)
		}
		wantOTPNumber(t, file, 99)
	})
	// The reason for which a lock of Cyrus is respected: whoever broke it would be undone.
	t.Run("Cyrus undoes what was stored meanwhile", func(t *testing.T) {
		t.Parallel()
		file, _ := otpDatabase(t)
		cyrus := newLibsasl2Server(t, file)
		if _, _, err := cyrus.server("OTP", binding{})(names); err != nil {
			t.Fatal(err)
		}
		setOTPRecord(t, file, otp.MD5, 400, "ab12", 0)
		cyrus.in.(io.Closer).Close() // ends its login
		if line, err := cyrus.out.ReadString('\n'); err != io.EOF {
			t.Fatalf("%q, %v", line, err)
		}
		wantOTPNumber(t, file, 499)
	})
}

// TestPasswordRenewsSeries: a new password leaves no series of the old one, whoever sets
// it.
func TestPasswordRenewsSeries(t *testing.T) {
	t.Parallel()
	file, auth := otpDatabase(t)
	setPassword(t, file, labUser, "another phrase")
	wantRefused(t, auth, "OTP", labUser, otpPhrase)
	if _, err := loginAs(auth, "OTP", labUser, "another phrase"); err != nil {
		t.Errorf("saslpasswd2: %v", err)
	}
	r := verifier.Request{User: labUser, Realm: labRealm}
	err := sasldb.Update(t.Context(), file, sasldb.WriteOptions{}, r, func(e verifier.Entry) (_ verifier.Entry, err error) {
		e.Secrets, err = mech.Secrets(labUser, labRealm, "a third phrase", verifier.KindPassword)
		return e, err
	})
	if err != nil {
		t.Fatal(err)
	}
	wantRefused(t, auth, "OTP", labUser, "another phrase")
	wantCyrusCode(t, login{mechanism: "OTP", user: labUser, password: "another phrase"}.into(t, newLibsasl2Server(t, file).server("OTP", binding{})), cyrusNoUser)
}

// TestPostfixServerOTP: our client with Postfix and Cyrus SASL, and the file that they
// leave behind with ours.
func TestPostfixServerOTP(t *testing.T) {
	t.Parallel()
	file, _ := otpDatabase(t)
	p, l := cyrusPostfixOffering(t, file, []string{"OTP"})
	for range 3 {
		if err := authOn(t, l, "OTP", labUser, otpPhrase); err != nil {
			t.Fatalf("%v\n%s", err, p.logged())
		}
	}
	wantSMTPError(t, authOn(t, l, "OTP", labUser, otpPhrase+"x"), 535, smtp.EnhancedCode{5, 7, 8})
	wantOTPNumber(t, filepath.Join(p.dir, "sasldb2"), 496)
}
