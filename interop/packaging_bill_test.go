//go:build linux

package interop

import (
	"debug/buildinfo"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A billOfMaterials is what we look at in a CycloneDX file.
type billOfMaterials struct {
	BOMFormat, SpecVersion, SerialNumber string
	Metadata                             struct {
		Timestamp string
		Component billComponent
	}
	Components   []billComponent
	Dependencies []struct {
		Ref       string
		DependsOn []string
	}
}

type billComponent struct {
	Ref                 string `json:"bom-ref"`
	Name, Version, PURL string
	Hashes              []struct{ Alg, Content string }
	Licenses            []struct{ License struct{ ID string } }
}

func readBill(t *testing.T, file string) (b billOfMaterials) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every module that Go says is in the binary stands in the bill, with its version and a
// licence, and the bill is the same in the package and beside it.
func testBill(t *testing.T, p *builtPackages) {
	shell(t, p.dir, `cmp "$1" "$2"/usr/share/doc/saslkit/sbom.cdx.json`, p.sbom, p.unpacked)
	b := readBill(t, p.sbom)
	if b.BOMFormat != "CycloneDX" || b.SpecVersion != "1.6" || !strings.HasPrefix(b.SerialNumber, "urn:uuid:") || b.Metadata.Timestamp == "" {
		t.Errorf("head: %+v", b)
	}
	binary := filepath.Join(p.unpacked, "usr/bin/saslkit")
	if sum := strings.Fields(shell(t, p.dir, `sha256sum "$1"`, binary))[0]; len(b.Metadata.Component.Hashes) != 1 || b.Metadata.Component.Hashes[0].Content != sum {
		t.Errorf("the bill is of %+v, the binary is %s", b.Metadata.Component, sum)
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	version := strings.TrimSpace(shell(t, p.dir, `dpkg-deb -f "$1" Version`, p.deb))
	want := map[string]string{"stdlib": strings.TrimPrefix(info.GoVersion, "go")}
	for _, dep := range info.Deps {
		want[dep.Path] = dep.Version
		if strings.HasPrefix(dep.Path, "github.com/saslkit/saslkit") {
			want[dep.Path] = version
		}
	}
	got, refs := map[string]string{}, []string{}
	for _, c := range b.Components {
		got[c.Name] = c.Version
		refs = append(refs, c.Ref)
		if purl := "pkg:golang/" + c.Name + "@" + strings.ReplaceAll(c.Version, "+", "%2B"); c.PURL != purl || c.Ref != purl {
			t.Errorf("%s: package URL %s, reference %s", c.Name, c.PURL, c.Ref)
		}
		if len(c.Licenses) != 1 || c.Licenses[0].License.ID == "" {
			t.Errorf("%s: licence %+v", c.Name, c.Licenses)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 20 {
		t.Errorf("modules (-binary +bill):\n%s", diff)
	}
	if len(b.Dependencies) != 1 || b.Dependencies[0].Ref != b.Metadata.Component.Ref || cmp.Diff(refs, b.Dependencies[0].DependsOn) != "" {
		t.Errorf("dependencies: %+v", b.Dependencies)
	}
}

// Every module of the bill has a paragraph in the copyright file, with the same licence
// and its text.
func testCopyright(t *testing.T, p *builtPackages) {
	text, err := os.ReadFile(filepath.Join(p.unpacked, "usr/share/doc/saslkit/copyright"))
	if err != nil {
		t.Fatal(err)
	}
	paragraphs := map[string]string{}
	for paragraph := range strings.SplitSeq(string(text), "\n\n") {
		if files, rest, ok := strings.Cut(strings.TrimPrefix(paragraph, "Files: "), "\n"); ok {
			paragraphs[files] = rest
		}
	}
	bill := readBill(t, p.sbom)
	others := 0
	for _, c := range bill.Components {
		files := "go/" + c.Name + "/*"
		if strings.HasPrefix(c.Name, "github.com/saslkit/saslkit") {
			files = "*"
		} else {
			others++
		}
		if paragraph := paragraphs[files]; !strings.Contains(paragraph, "\nLicense: "+c.Licenses[0].License.ID+"\n ") || !strings.HasPrefix(paragraph, "Copyright: ") || len(paragraph) < 500 {
			t.Errorf("%s, %s: %.200q", c.Name, c.Licenses[0].License.ID, paragraph)
		}
	}
	if len(paragraphs) != others+2 { // the head and ours
		t.Errorf("%d paragraphs for %d modules", len(paragraphs), others)
	}
}
