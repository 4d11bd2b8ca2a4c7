package cyrusconf_test

import (
	"fmt"
	"strings"

	"github.com/saslkit/saslkit/cyrusconf"
)

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
