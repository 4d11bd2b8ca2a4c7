// Package cyrusconf reads the configuration files of applications that use Cyrus
// SASL, such as /etc/sasl2/smtpd.conf, and saslauthd.conf:
//
//	pwcheck_method: auxprop
//	auxprop_plugin: sasldb
//	mech_list: plain scram-sha-256
//
// [LoadFile] reads a file by its path, and [SearchPath.Load] an application's, from
// where its libsasl2 has it. [File.Application] is then what the application would
// do, as plain data with Cyrus's defaults, and [File.Saslauthd] what saslauthd
// would. Nothing is looked up in the environment, and nothing is opened but the
// file: building stores from the data is the caller's. [Application.Where] says where
// a value is from, for messages.
//
// A [File] and what it returns may be used concurrently, as data that nobody changes.
// What holds passwords prints as REDACTED.
//
// # Form
//
// A line is a key, a colon that touches it, and a value; blanks may stand before
// the key and around the value. Keys consist of ASCII letters, digits, '-' and '_',
// and their case does not matter. The value goes to the end of the line: there are
// no quotes and no comments behind it. A line that is blank or begins with '#' says
// nothing. The first of several lines for a key counts; with saslauthd's LDAP back
// end the last. On is what begins with "1", "y", "t" or "on": "Yes" is off.
//
// # Search
//
// Debian's libsasl2 looks in /etc/sasl2, /etc/sasl, its own folder of modules and
// /usr/lib/sasl2 ([LibraryPath]); SASL_CONF_PATH replaces those. Debian's Postfix
// has its own: the folder sasl beside main.cf, then /usr/lib/sasl, and nothing else
// ([DebianPostfixPath]). Cyrus takes a file that is missing for an empty one, which
// offers everything over /etc/sasldb2. Here it is an error that names the places.
//
// # Faults
//
// What Cyrus refuses is refused by [Parse], every line of it; Cyrus gives up at the
// first, on the whole library ("error when parsing configuration file"), and does
// not say where. Refused as well is what Cyrus reads differently from how it looks:
// it cuts a line at a NUL, and one of more than 4,095 bytes into two.
//
// Most faults Cyrus does not tell at all: misspelt keys and names, keys of other
// programs, commas in lists. [File.Application] and [File.Saslauthd] return them
// with line and cure, as [Faults]. Some are [Refused], and the data that comes with
// those is not what anybody meant: see [Faults.Err]. Values are as Cyrus takes them,
// quotes and all. Later versions may find more faults.
package cyrusconf
