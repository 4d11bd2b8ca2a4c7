package crypt

import (
	"encoding/base64"

	"golang.org/x/crypto/bcrypt"
)

// bcrypt64 has another order of digits. Strict: whoever writes a salt or a hash leaves
// the bits at its end clear, and libxcrypt finds no match if they are not.
var bcrypt64 = base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding).Strict()

// parseBcrypt reads $2b$05$, 22 digits of salt and 31 of hash. $2a$ and $2y$ are the
// same for every password of text: libxcrypt's $2a$ differs for some with the byte
// 0xff, which no UTF-8 has.
func parseBcrypt(scheme, stored string) (*Hash, error) {
	const settings, salt, length = len("$2b$05$"), 22, 60
	if len(stored) != length || stored[settings-1] != '$' {
		return nil, notHash(scheme)
	}
	tens, ones := stored[4]-'0', stored[5]-'0'
	cost := int(tens)*10 + int(ones)
	if tens > 9 || ones > 9 || cost < bcrypt.MinCost || cost > bcrypt.MaxCost {
		return nil, &SyntaxError{Scheme: scheme, Reason: "the cost is not a number from 04 to 31"}
	}
	for _, part := range [...]string{stored[settings : settings+salt], stored[settings+salt:]} {
		if _, err := bcrypt64.DecodeString(part); err != nil {
			return nil, notHash(scheme)
		}
	}
	if err := atMost(scheme, "cost", int64(cost), maxBcryptCost); err != nil {
		return nil, err
	}
	hashed := []byte(stored)
	return &Hash{
		cost:    Cost{Scheme: scheme, Rounds: 1 << cost},
		longest: maxBcryptPassword,
		check: func(password string) bool {
			return bcrypt.CompareHashAndPassword(hashed, []byte(password)) == nil
		},
	}, nil
}
