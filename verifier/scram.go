package verifier

import (
	"fmt"
	"strings"

	"github.com/saslkit/saslkit/internal/scram"
)

// SCRAMKinds returns the kinds that are the keys of a SCRAM mechanism, one for each
// hash. The caller owns the slice.
func SCRAMKinds() []Kind {
	return []Kind{KindSCRAMSHA1, KindSCRAMSHA224, KindSCRAMSHA256, KindSCRAMSHA384, KindSCRAMSHA512, KindSCRAMSHA3512}
}

// scramHash is the hash of a kind of SCRAM keys.
func (k Kind) scramHash() scram.Hash { return scram.Hash(k - KindSCRAMSHA1) }

// IsSCRAM reports whether k is the keys of one of the SCRAM mechanisms.
func (k Kind) IsSCRAM() bool { return KindSCRAMSHA1 <= k && k <= KindSCRAMSHA3512 }

// SCRAMName is the name of the SCRAM mechanism whose keys are of this kind, such as
// "SCRAM-SHA-256", without -PLUS; "" for other kinds. Records begin with it.
func (k Kind) SCRAMName() string {
	if !k.IsSCRAM() {
		return ""
	}
	return k.scramHash().Name()
}

// SCRAMKind returns the kind of keys of a SCRAM mechanism; -PLUS and the case of
// letters make no difference. False means that the name is of no SCRAM.
func SCRAMKind(mechanism string) (Kind, bool) {
	h, ok := scram.ByName(strings.TrimSuffix(strings.ToUpper(mechanism), "-PLUS"))
	if !ok {
		return 0, false
	}
	return kindOf(h), true
}

func kindOf(h scram.Hash) Kind { return KindSCRAMSHA1 + Kind(h) }

// ParseSCRAM reads SCRAM keys as other programs keep them: in the form of RFC 5803,
// which Cyrus SASL (authPassword) and PostgreSQL (rolpassword) use, or in that of
// Dovecot and of gsasl --mkpasswd:
//
//	SCRAM-SHA-256$4096:SALT$STOREDKEY:SERVERKEY
//	{SCRAM-SHA-256}4096,SALT,STOREDKEY,SERVERKEY
//
// A store that is asked for one kind and holds several values, as a directory may,
// parses them all and takes the one of that kind. Errors do not quote the text.
func ParseSCRAM(text string) (Secret, error) {
	r, err := scram.Parse([]byte(text))
	return secretOf(r, err)
}

// ParseKafkaSCRAM reads SCRAM keys as Kafka keeps them, which do not name their
// hash:
//
//	salt=SALT,stored_key=STOREDKEY,server_key=SERVERKEY,iterations=4096
func ParseKafkaSCRAM(k Kind, text string) (Secret, error) {
	if !k.IsSCRAM() {
		return Secret{}, fmt.Errorf("verifier: kind %q is not of SCRAM", k)
	}
	r, err := scram.ParseKafka(k.scramHash(), []byte(text))
	return secretOf(r, err)
}

func secretOf(r scram.Record, err error) (Secret, error) {
	if err != nil {
		return Secret{}, fmt.Errorf("verifier: %w", err)
	}
	return Secret{Kind: kindOf(r.Hash), Value: r.Pack()}, nil
}

// A SCRAMForm is how a program writes SCRAM keys.
type SCRAMForm uint8

// The forms of SCRAM keys.
const (
	SCRAMRecord  SCRAMForm = iota // RFC 5803: Cyrus SASL, PostgreSQL
	SCRAMDovecot                  // Dovecot's {SCRAM-SHA-256}
	SCRAMKafka                    // Kafka, without the name of the hash
)

// FormatSCRAM writes SCRAM keys in the form of another program. It fails if s does
// not hold any.
func FormatSCRAM(s Secret, f SCRAMForm) (string, error) {
	if !s.Kind.IsSCRAM() {
		return "", fmt.Errorf("verifier: kind %q is not of SCRAM", s.Kind)
	}
	r, err := scram.Unpack(s.Kind.scramHash(), s.Value)
	if err != nil {
		return "", fmt.Errorf("verifier: %w", err)
	}
	switch f {
	case SCRAMDovecot:
		return string(r.AppendDovecot(nil)), nil
	case SCRAMKafka:
		return string(r.AppendKafka(nil)), nil
	}
	return string(r.Append(nil)), nil
}

// decoyKeys belong to nobody. Salt and count are not shown: mech has others for that.
func decoyKeys(h scram.Hash) []byte {
	key := make([]byte, h.Size())
	return scram.Record{Hash: h, Iterations: 1, Salt: make([]byte, 16), StoredKey: key, ServerKey: key}.Pack()
}
