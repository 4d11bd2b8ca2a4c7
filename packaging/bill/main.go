// Command bill says what is in a binary that Go built, from what Go wrote into it and the
// licence files in the module cache:
//
//	bill BINARY VERSION OUTDIR
//
// writes a bill of materials in CycloneDX's form, sbom.cdx.json, and a copyright file in
// Debian's. VERSION is that of our own modules, which Go only calls "(devel)". The time in
// the bill is SOURCE_DATE_EPOCH. It is run in the folder of the module that the binary was
// built from. A module without a licence that it knows is an error: somebody has to look.
package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ours is the prefix of the modules in this repository.
const ours = "github.com/saslkit/saslkit"

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: bill BINARY VERSION OUTDIR")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "bill:", err)
		os.Exit(1)
	}
}

func run(binary, version, out string) error {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH is not a number of seconds: %w", err)
	}
	c, err := open(binary, version, time.Unix(seconds, 0))
	if err != nil {
		return err
	}
	bill, err := json.MarshalIndent(c.cycloneDX(), "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "sbom.cdx.json"), append(bill, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "copyright"), c.debian(), 0o644)
}

// Contents are what a binary was made of.
type contents struct {
	version string
	made    time.Time
	sum     [sha256.Size]byte // of the binary
	build   []debug.BuildSetting
	own     licence
	modules []module // those of others, and Go's library, by their names
	parts   []string // our own, by their names
}

// A module is one of others in the binary.
type module struct {
	path, version string
	sum           []byte // SHA-256 over its files as go.sum has it, nil for Go's library
	licence       licence
}

// open reads a binary and the licences of what is in it.
func open(binary, version string, made time.Time) (*contents, error) {
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		return nil, err
	}
	c := &contents{version: version, made: made.UTC(), sum: sha256.Sum256(program), build: info.Settings}
	folders, err := moduleFolders(info.Deps)
	if err != nil {
		return nil, err
	}
	if c.own, err = licenceIn(folders[ours]); err != nil {
		return nil, err
	}
	for _, dep := range info.Deps {
		if strings.HasPrefix(dep.Path+"/", ours+"/") {
			c.parts = append(c.parts, dep.Path)
			continue
		}
		m := module{path: dep.Path, version: dep.Version}
		if m.sum, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(dep.Sum, "h1:")); err != nil || len(m.sum) != sha256.Size {
			return nil, fmt.Errorf("module %s: sum %q (replaced by a folder?)", dep.Path, dep.Sum)
		}
		if m.licence, err = licenceIn(folders[dep.Path]); err != nil {
			return nil, fmt.Errorf("module %s: %w", dep.Path, err)
		}
		c.modules = append(c.modules, m)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	library := module{path: "stdlib", version: strings.TrimPrefix(info.GoVersion, "go")}
	if library.licence, err = licenceIn(strings.TrimSpace(string(goroot))); err != nil {
		return nil, fmt.Errorf("the standard library: %w", err)
	}
	c.modules = append(c.modules, library)
	slices.SortFunc(c.modules, func(a, b module) int { return cmp.Compare(a.path, b.path) })
	slices.Sort(c.parts)
	return c, nil
}

// moduleFolders asks Go where the modules are, and that they are those of the binary.
func moduleFolders(deps []*debug.Module) (map[string]string, error) {
	args := []string{"list", "-m", "-json=Path,Version,Dir"}
	versions := make(map[string]string)
	for _, dep := range deps {
		args = append(args, dep.Path)
		versions[dep.Path] = dep.Version
	}
	list := exec.Command("go", args...)
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	folders := make(map[string]string)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var m struct{ Path, Version, Dir string }
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return folders, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if !strings.HasPrefix(m.Path+"/", ours+"/") && m.Version != versions[m.Path] {
			return nil, fmt.Errorf("module %s is %s here and %s in the binary", m.Path, m.Version, versions[m.Path])
		}
		folders[m.Path] = m.Dir
	}
}
