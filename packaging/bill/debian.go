package main

import (
	"bytes"
	"fmt"
	"strings"
)

// debian makes the copyright file: a header, a paragraph for what is ours, and one for each
// module with the texts of its licences in full, for they are to go with the binary and
// rpm has no folder of common ones.
func (c *contents) debian() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: saslkit
Source: https://%s
Comment: The binary contains the Go modules named below, in the versions that
 sbom.cdx.json lists.
`, ours)
	paragraph(&b, "*", c.own)
	for _, m := range c.modules {
		l := m.licence
		if l.copyrights == nil {
			l.copyrights = []string{"the authors of " + m.path}
		}
		paragraph(&b, "go/"+m.path+"/*", l)
	}
	return b.Bytes()
}

func paragraph(b *bytes.Buffer, files string, l licence) {
	fmt.Fprintf(b, "\nFiles: %s\nCopyright: %s\nLicense: %s\n", files, strings.Join(l.copyrights, "\n "), l.id)
	for i, text := range l.texts {
		if i > 0 {
			fmt.Fprint(b, " .\n")
		}
		for line := range strings.Lines(strings.Trim(text, "\n") + "\n") {
			line = strings.TrimRight(line, " \t\r\n\f")
			if line == "" {
				line = "."
			}
			fmt.Fprintf(b, " %s\n", line)
		}
	}
}
