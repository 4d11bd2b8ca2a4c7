//go:build linux

package interop

import (
	"testing"

	"github.com/saslkit/saslkit/verifier/ldap"
)

// What a login costs over OpenLDAP on the same machine, by each method and for nobody.
func BenchmarkLDAP(b *testing.B) {
	d := startDirectory(b, directoryPlan{global: "moduleload back_mdb", backend: "mdb", database: "index uid eq", entries: []ldapItem{person("alice", hashed("{SSHA}", "canary-alice"))}})
	for name, change := range map[string]func(*ldap.Options){
		"bind":     nil,
		"fastbind": func(o *ldap.Options) { o.Method, o.Filter = ldap.Fastbind, "uid=%u,ou=people,dc=example" },
		"contents": byContents,
	} {
		v := d.verifier(b, change)
		for who, password := range map[string]string{"alice": "canary-alice", "nobody-here": "x"} {
			b.Run(name+"/"+who, func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(p *testing.PB) {
					for p.Next() {
						if _, err := v.VerifyPassword(b.Context(), askFor(who), password); (err == nil) != (who == "alice") {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}
