package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const usage = "usage: diagram record DIR [NAME...] | diagram draw DIR SVGDIR"

func run(args []string) error {
	switch {
	case len(args) >= 2 && args[0] == "record":
		return recordAll(args[1], args[2:])
	case len(args) == 3 && args[0] == "draw":
		return drawAll(args[1], args[2])
	}
	return errors.New(usage)
}

// recordAll writes the recordings of the scenarios of these names, or of all.
func recordAll(dir string, names []string) error {
	for _, s := range scenarios {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		r, err := s.record(s.mechanism)
		if err != nil {
			return err
		}
		if err := os.WriteFile(recordingFile(dir, s.name), r.append(nil), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// drawAll draws every scenario.
func drawAll(dir, svgDir string) error {
	for _, s := range scenarios {
		text, err := os.ReadFile(recordingFile(dir, s.name))
		if err != nil {
			return err
		}
		picture, err := s.draw(text)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(svgDir, s.name+".svg"), picture, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func recordingFile(dir, name string) string { return filepath.Join(dir, name+".txt") }
