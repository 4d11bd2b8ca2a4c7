package daemon

import "strings"

// maxService bounds the name of a service, in bytes. Real ones have four.
const maxService = 64

// serviceName is the service of a request, as logs, metrics and PAM may have it: letters,
// digits, '.', '_' and '-'. Any other name becomes "invalid".
func serviceName(said string) string {
	valid := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-", r)
	}
	if len(said) > maxService || strings.ContainsFunc(said, func(r rune) bool { return !valid(r) }) {
		return "invalid"
	}
	return said
}
