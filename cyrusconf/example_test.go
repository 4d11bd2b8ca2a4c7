package cyrusconf_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/saslkit/saslkit/cyrusconf"
)

// An application's file, from where its library looks: what it says, what is wrong with
// it, and whether a server may start with it.
func Example() {
	folder, err := os.MkdirTemp("", "sasl2")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	const text = "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: SCRAM-SHA-256, PLAIN\nsasldb_path: /etc/mail/sasldb2\n"
	if err := os.WriteFile(filepath.Join(folder, "smtpd.conf"), []byte(text), 0o644); err != nil {
		log.Fatal(err)
	}

	path := cyrusconf.SearchPath{folder, "/nonexistent"} // cyrusconf.LibraryPath()
	file, err := path.Load("smtpd")
	if err != nil {
		log.Fatal(err)
	}
	app, faults := file.Application()
	fmt.Println(app.PwcheckMethod, app.AuxpropPlugin, app.MechList, app.SasldbPath)
	for _, fault := range faults {
		fmt.Println(fault.Severity, fault.Line, fault.Problem)
	}
	fmt.Println("start:", faults.Err() == nil)

	_, err = path.Load("imapd") // which to Cyrus is a file that offers everything
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output:
	// [auxprop] [sasldb] [PLAIN] /etc/mail/sasldb2
	// refused 3 mech_list: names are separated by blanks, not commas; Cyrus takes "SCRAM-SHA-256, PLAIN" for one name
	// start: false
	// true
}

// What is set twice, misspelt or unknown has its line and its cure.
func ExampleFile_Application() {
	f, err := cyrusconf.Parse("smtpd.conf", strings.NewReader("pwcheck_method: saslauthd\nmech_list: PLAIN CRAMMD5\nlog_levl: 3\n"))
	if err != nil {
		fmt.Println(err) // lines that nobody can read
		return
	}
	app, faults := f.Application()
	for _, fault := range faults {
		fmt.Println(fault.Severity, fault)
	}
	fmt.Println(faults.Err() == nil)
	fmt.Println(app.PwcheckMethod, app.MechList, app.Where("mech_list"))
	fmt.Println(app.SaslauthdPath, app.Where("saslauthd_path"))
	// Output:
	// warning smtpd.conf:2: mech_list: no mechanism "CRAMMD5"; Cyrus drops it (write CRAM-MD5)
	// refused smtpd.conf:3: log_levl: unknown key; did you mean log_level? (write log_level)
	// false
	// [saslauthd] [PLAIN] smtpd.conf:2
	// /var/run/saslauthd/mux default of the build
}

// The other file, of saslauthd and its LDAP back end, which reads it in another way.
func ExampleFile_Saslauthd() {
	f, err := cyrusconf.Parse("saslauthd.conf", strings.NewReader("ldap_servers: ldap://ldap.example.com/\nldap_filter: (uid=%u)\nldap_bind_pw: s3cret\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	conf, faults := f.Saslauthd()
	fmt.Println(conf.LDAP.Servers, conf.LDAP.Filter, conf.LDAP.Timeout, conf.Where("ldap_timeout"))
	fmt.Println(conf.LDAP) // which holds a password
	fmt.Println("faults:", len(faults))
	// Output:
	// [ldap://ldap.example.com/] (uid=%u) 5s default of Cyrus SASL
	// REDACTED
	// faults: 0
}
