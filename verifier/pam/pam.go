//go:build pam && cgo

package pam

import _ "github.com/msteinert/pam/v2"
