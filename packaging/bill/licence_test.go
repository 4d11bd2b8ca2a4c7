package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIdentify(t *testing.T) {
	t.Parallel()
	own, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	const bsd = "Redistribution and use in source and binary\nforms, with or without modification, are permitted"
	for name, c := range map[string]struct{ text, want string }{
		"ours":                      {string(own), "MIT"},
		"other line ends":           {strings.ReplaceAll(string(own), "\n", "\r\n"), "MIT"},
		"Apache":                    {"                Apache License\n          Version 2.0, January 2004\n", "Apache-2.0"},
		"Mozilla":                   {"Mozilla Public License Version 2.0\n====\n", "MPL-2.0"},
		"ISC":                       {"Permission to use, copy, modify, and/or distribute this software for any\npurpose with or without fee", "ISC"},
		"BSD with two clauses":      {bsd, "BSD-2-Clause"},
		"BSD with three":            {bsd + " ... may be used to endorse or\npromote products", "BSD-3-Clause"},
		"MIT without its last part": {strings.Split(string(own), "THE SOFTWARE IS")[0], ""},
		"another one":               {"GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007", ""},
		"nothing":                   {"", ""},
	} {
		if got := identify(c.text); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestCopyrights(t *testing.T) {
	t.Parallel()
	got := copyrights(`Copyright (c) 2009 The Go Authors. All rights reserved.
  copyright notice, this list of conditions
* Copyright © 2005-2020 Rich Felker, et al.
Portions copyright (c) 2015 Others
Copyright 2011, krockot
      "Licensor" shall mean the copyright owner or entity
The above copyright notice and this permission notice
copyright (c) of nobody
`)
	want := []string{
		"Copyright (c) 2009 The Go Authors. All rights reserved.", "Copyright © 2005-2020 Rich Felker, et al.",
		"Portions copyright (c) 2015 Others", "Copyright 2011, krockot",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A module whose licence nobody has read stops the build.
func TestLicenceInUnknown(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{"none": "README", "unknown": "LICENSE"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, file), []byte("do as you like\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if l, err := licenceIn(dir); err == nil || l.id != "" {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
}

// Paragraphs are those of Debian's format: an empty line is a point, and every line of a
// text is indented.
func TestDebian(t *testing.T) {
	t.Parallel()
	c := &contents{
		own: licence{"MIT", []string{"Copyright 2026 us"}, []string{"\nMIT License\n\n\tdo\n"}},
		modules: []module{{path: "example.org/x", licence: licence{
			id: "BSD-2-Clause", texts: []string{"first", "second\n"},
		}}},
	}
	_, got, _ := strings.Cut(string(c.debian()), "\n\n")
	want := `Files: *
Copyright: Copyright 2026 us
License: MIT
 MIT License
 .
 	do

Files: go/example.org/x/*
Copyright: the authors of example.org/x
License: BSD-2-Clause
 first
 .
 second
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
