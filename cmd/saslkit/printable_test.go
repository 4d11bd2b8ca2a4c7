package main

import (
	"encoding/json"
	"testing"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, shown, quoted, field string }{
		{"alice", "alice", "alice", "alice"},
		{"", "", "", ""},
		{"jörg 张伟 🔑", "jörg 张伟 🔑", "jörg 张伟 🔑", `"jörg 张伟 🔑"`},
		{"a\tb\n", `a\tb\n`, `"a\tb\n"`, `"a\tb\n"`},
		{"\x1b[2J", `\x1b[2J`, `"\x1b[2J"`, `"\x1b[2J"`},
		{"c1 \u009b", `c1 \u009b`, `"c1 \u009b"`, `"c1 \u009b"`},
		{"\u202eetirw", `\u202eetirw`, `"\u202eetirw"`, `"\u202eetirw"`},
		{"latin1 \xf6", `latin1 \xf6`, `"latin1 \xf6"`, `"latin1 \xf6"`},
		{"\ufffd", "\ufffd", "\ufffd", "\ufffd"},
		{`"quoted" \x41`, `"quoted" \x41`, `"\"quoted\" \\x41"`, `"\"quoted\" \\x41"`},
	} {
		if got := shown(test.text); got != test.shown {
			t.Errorf("shown(%q) = %s, want %s", test.text, got, test.shown)
		}
		if got := quoted(test.text); got != test.quoted {
			t.Errorf("quoted(%q) = %s, want %s", test.text, got, test.quoted)
		}
		if got := field(test.text); got != test.field {
			t.Errorf("field(%q) = %s, want %s", test.text, got, test.field)
		}
	}
}

// Escaping must not change what the JSON says.
func FuzzPrintableJSON(f *testing.F) {
	for _, s := range []string{"alice", "\x7f", "\u009b\u202e", "\U000e0001", "\U0010ffff", "\ufffd", `"\`, "ö\u00ad"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		object, err := json.Marshal(map[string]string{"authid": s})
		if err != nil {
			t.Fatal(err)
		}
		var before, after map[string]string
		escaped := printableJSON(object)
		if err := json.Unmarshal(object, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(escaped, &after); err != nil || before["authid"] != after["authid"] || !isPrintable(string(escaped)) {
			t.Errorf("%q became %q (%v)", object, escaped, err)
		}
	})
}
