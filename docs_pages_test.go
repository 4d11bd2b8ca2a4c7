package saslkit_test

import (
	"go/ast"
	"go/build"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A page is what pkg.go.dev shows of one package, for all systems at once.
type page struct {
	*doc.Package
	commentIn []string       // the files that have a package comment
	written   []*doc.Example // those in its tests, wherever they are shown
	faults    []string
}

// publicPages reads every package that others import, in every module of go.work. interop
// is not for import: it holds tests, and examples to copy.
func publicPages(t *testing.T) map[string]*page {
	t.Helper()
	work, err := os.ReadFile("go.work")
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]*page{}
	modules := regexp.MustCompile(`(?m)^\t(\.\S*)$`).FindAllStringSubmatch(string(work), -1)
	for _, m := range modules {
		if root := filepath.Clean(m[1]); root != "interop" {
			readModule(t, root, pages)
		}
	}
	for _, path := range []string{"", "/verifier", "/verifier/ldap"} {
		if pages[module+path] == nil {
			t.Fatalf("%s was not found in the %d modules of go.work", module+path, len(modules))
		}
	}
	return pages
}

func readModule(t *testing.T, root string, pages map[string]*page) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`(?m)^module (\S+)$`).FindSubmatch(text)
	if name == nil {
		t.Fatalf("%s: go.mod names no module", root)
	}
	err = filepath.WalkDir(root, func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		base := entry.Name()
		_, nested := os.Stat(filepath.Join(dir, "go.mod"))
		if dir != root && (nested == nil || base == "internal" || base == "testdata" || base[0] == '.' || base[0] == '_') {
			return filepath.SkipDir
		}
		path := string(name[1]) + filepath.ToSlash(strings.TrimPrefix("/"+dir, "/"+root))
		if p := readPage(t, dir, path); p != nil {
			pages[path] = p
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readPage reads the package in a folder; nil if there is none to import.
func readPage(t *testing.T, dir, path string) *page {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	p, set := &page{}, token.NewFileSet()
	var files, tests []*ast.File
	for _, name := range names {
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasSuffix(name, "_test.go"):
			tests = append(tests, f)
			continue
		case f.Name.Name == "main" || slices.ContainsFunc(f.Comments, ignored):
			continue
		case f.Doc != nil:
			p.commentIn = append(p.commentIn, filepath.Base(name))
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil
	}
	p.written = doc.Examples(tests...)
	if p.Package, err = doc.NewFromFiles(set, slices.Concat(files, tests), path); err != nil {
		t.Fatal(err)
	}
	return p
}

func ignored(c *ast.CommentGroup) bool {
	return c.List[0].Text == "//go:build ignore"
}

// standardPage reads a package of the standard library; nil if there is none.
func standardPage(t *testing.T, path string) *page {
	t.Helper()
	p, err := build.Import(path, "", build.FindOnly)
	if err != nil || !p.Goroot {
		return nil
	}
	return readPage(t, p.Dir, path)
}

// functions returns all functions and methods.
func (p *page) functions() []*doc.Func {
	all := slices.Clone(p.Funcs)
	for _, typ := range p.Types {
		all = slices.Concat(all, typ.Funcs, typ.Methods)
	}
	return all
}

// values returns all declarations of constants and variables.
func (p *page) values() []*doc.Value {
	all := slices.Concat(p.Consts, p.Vars)
	for _, typ := range p.Types {
		all = slices.Concat(all, typ.Consts, typ.Vars)
	}
	return all
}

// shown returns the examples that stand at an identifier or at the package.
func (p *page) shown() []*doc.Example {
	all := slices.Clone(p.Examples)
	for _, typ := range p.Types {
		all = append(all, typ.Examples...)
	}
	for _, f := range p.functions() {
		all = append(all, f.Examples...)
	}
	return all
}

// texts returns every comment that is shown, those of fields too, whose links editors
// show.
func (p *page) texts() []string {
	texts := []string{p.Doc}
	within := func(decl ast.Node) {
		ast.Inspect(decl, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.Field:
				texts = append(texts, x.Doc.Text(), x.Comment.Text())
			case *ast.ValueSpec:
				texts = append(texts, x.Doc.Text(), x.Comment.Text())
			}
			return true
		})
	}
	for _, typ := range p.Types {
		texts = append(texts, typ.Doc)
		within(typ.Decl)
	}
	for _, v := range p.values() {
		texts = append(texts, v.Doc)
		within(v.Decl)
	}
	for _, f := range p.functions() {
		texts = append(texts, f.Doc)
	}
	return texts
}

// bracketed is what was meant for a link, and is left in the text if it is none.
var bracketed = regexp.MustCompile(`\[\*?[\w./-]+\]`)

// links returns the links of a text, and what was meant for one and names nothing here.
func (p *page) links(text string) (found []*comment.DocLink, lost []string) {
	see := func(all []comment.Text) {
		for _, one := range all {
			switch x := one.(type) {
			case comment.Plain:
				lost = append(lost, bracketed.FindAllString(string(x), -1)...)
			case *comment.DocLink:
				found = append(found, x)
			}
		}
	}
	var read func([]comment.Block)
	read = func(all []comment.Block) {
		for _, one := range all {
			switch x := one.(type) {
			case *comment.Paragraph:
				see(x.Text)
			case *comment.Heading:
				see(x.Text)
			case *comment.List:
				for _, item := range x.Items {
					read(item.Content)
				}
			}
		}
	}
	read(p.Parser().Parse(text).Content)
	return found, lost
}
