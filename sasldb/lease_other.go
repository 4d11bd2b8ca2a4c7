//go:build !linux

package sasldb

import "os"

func takeLease(*os.File) error { return errNoLease }

func dropLease(*os.File) error { return nil }
