package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A licence is what a module's files say about copying it.
type licence struct {
	id         string   // of SPDX, that of the main file
	copyrights []string // lines
	texts      []string // of all files, the main one first
}

// licenceFile is the name of a file to carry along: LICENSE, LICENSE-3RD-PARTY.md.
// PATENTS grants more and asks for nothing.
var licenceFile = regexp.MustCompile(`^(LICEN[CS]E|COPYING|NOTICE)([-._].*)?$`)

// licenceIn reads the licence files of a module in a folder.
func licenceIn(folder string) (licence, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return licence{}, err
	}
	var l licence
	for _, entry := range entries { // sorted: LICENSE comes before LICENSE-GO
		if !licenceFile.MatchString(entry.Name()) || !entry.Type().IsRegular() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return licence{}, err
		}
		text := strings.ReplaceAll(string(b), "\r\n", "\n")
		if len(l.texts) == 0 {
			l.id = identify(text)
		}
		l.texts = append(l.texts, text)
		for _, line := range copyrights(text) {
			if !slices.Contains(l.copyrights, line) {
				l.copyrights = append(l.copyrights, line)
			}
		}
	}
	if l.id == "" {
		return licence{}, fmt.Errorf("no licence that is known in %s (read it, and add its words to identify)", folder)
	}
	return l, nil
}

// identify returns the SPDX identifier of a licence by words that no other has, "" if it
// is none of those that we know.
func identify(text string) string {
	words := strings.ToLower(strings.Join(strings.Fields(text), " "))
	has := func(s string) bool { return strings.Contains(words, s) }
	switch {
	case has("apache license version 2.0, january 2004"):
		return "Apache-2.0"
	case has("mozilla public license version 2.0"):
		return "MPL-2.0"
	case has("permission is hereby granted, free of charge") && has("the software is provided \"as is\""):
		return "MIT"
	case has("permission to use, copy, modify, and/or distribute this software for any purpose"):
		return "ISC"
	case has("redistribution and use in source and binary forms") && has("endorse or promote"):
		return "BSD-3-Clause"
	case has("redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	}
	return ""
}

// copyrightLine is one that names who holds it: with a year or a sign, which the text of
// licences does not have.
var copyrightLine = regexp.MustCompile(`(?i)^\W*((portions )?copyright( \(c\)| ©)* [0-9]{4}\b.*)`)

func copyrights(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if m := copyrightLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			all = append(all, strings.TrimSpace(m[1]))
		}
	}
	return all
}
