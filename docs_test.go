package saslkit_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/saslkit/saslkit"

// TestPackagePages holds what pkg.go.dev shows against the rules that make it of use: a
// package comment in a file of its own that leads on, a comment on every name, links that
// go somewhere, and examples that stand where a reader looks.
func TestPackagePages(t *testing.T) {
	t.Parallel()
	pages := publicPages(t)
	standard := map[string]*page{}
	for _, path := range slices.Sorted(maps.Keys(pages)) {
		p := pages[path]
		p.checkComment()
		p.checkNames()
		p.checkExamples()
		p.checkLinks(func(path string) *page {
			if strings.HasPrefix(path, module) {
				return pages[path]
			}
			if _, known := standard[path]; !known {
				standard[path] = standardPage(t, path)
			}
			return standard[path]
		})
		for _, fault := range p.faults {
			t.Errorf("%s: %s", path, fault)
		}
	}
}

// TestExamplesExist: these are what a newcomer looks for, and they run.
func TestExamplesExist(t *testing.T) {
	t.Parallel()
	pages := publicPages(t)
	for _, want := range []struct{ what, path, example string }{
		{"server", "", "Authenticator_NewPeer"},
		{"client", "", "ClientExchange"},
		{"policy", "", "Authenticator_Decisions"},
		{"audit log", "", "Authenticator_auditLog"},
		{"replies", "/mech", "Error_SMTP"},
		{"custom verifier", "/verifier", "Verifier"},
		{"realms", "/realm", "Policy"},
	} {
		p := pages[module+want.path]
		if p == nil || !slices.ContainsFunc(p.shown(), func(x *doc.Example) bool {
			return x.Name == want.example && x.Output != ""
		}) {
			t.Errorf("%s: %s has no Example%s with output", want.what, module+want.path, want.example)
		}
	}
}

func (p *page) faultf(format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

// minComment is how many lines a package comment has at least: what the package is for,
// the ordinary path, its traps, and what may be used concurrently.
const minComment = 12

func (p *page) checkComment() {
	if !slices.Equal(p.commentIn, []string{"doc.go"}) {
		p.faultf("the package comment is in %q and not in doc.go alone", p.commentIn)
	}
	if !strings.HasPrefix(p.Doc, "Package "+p.Name+" ") {
		p.faultf("the package comment does not begin with Package %s", p.Name)
	}
	if n := strings.Count(p.Doc, "\n"); n < minComment {
		p.faultf("the package comment has %d lines, fewer than %d", n, minComment)
	}
	if found, _ := p.links(p.Doc); len(found) == 0 {
		p.faultf("the package comment links to nothing")
	}
}

// checkNames looks at every exported identifier.
func (p *page) checkNames() {
	for _, typ := range p.Types {
		p.checkName(typ.Name, typ.Name, typ.Doc)
		ast.Inspect(typ.Decl, func(n ast.Node) bool {
			if i, ok := n.(*ast.InterfaceType); ok {
				for _, m := range i.Methods.List {
					for _, name := range m.Names {
						p.checkName(typ.Name+"."+name.Name, name.Name, m.Doc.Text())
					}
				}
			}
			return true
		})
	}
	for _, f := range p.functions() {
		p.checkName(strings.TrimPrefix(f.Recv+"."+f.Name, "."), f.Name, f.Doc)
	}
	for _, v := range p.values() {
		p.checkValues(v)
	}
}

// checkName looks at one comment; full is the name for a fault.
func (p *page) checkName(full, name, text string) {
	if !regexp.MustCompile(`^((A|An|The) )?` + name + `\b`).MatchString(text) {
		p.faultf("%s: the comment does not begin with the name: %.40q", full, text)
	}
}

// checkValues looks at a declaration of constants or variables. Those of a group may
// share its comment, or have one behind the line.
func (p *page) checkValues(v *doc.Value) {
	if v.Doc != "" && v.Decl.Lparen.IsValid() {
		return
	}
	for _, spec := range v.Decl.Specs {
		s, ok := spec.(*ast.ValueSpec)
		if !ok || !token.IsExported(s.Names[0].Name) || s.Comment.Text() != "" {
			continue
		}
		text := v.Doc
		if text == "" {
			text = s.Doc.Text()
		}
		p.checkName(s.Names[0].Name, s.Names[0].Name, text)
	}
}

// checkLinks follows every link; other returns another package's page. Packages of other
// projects may be away, so their names are not looked up.
func (p *page) checkLinks(other func(path string) *page) {
	for _, text := range p.texts() {
		found, lost := p.links(text)
		for _, s := range lost {
			p.faultf("%s names nothing", s)
		}
		for _, link := range found {
			if !p.leadsSomewhere(link, other) {
				p.faultf("[%s] names nothing", path.Join(link.ImportPath, link.Recv, link.Name))
			}
		}
	}
}

func (p *page) leadsSomewhere(link *comment.DocLink, other func(path string) *page) bool {
	to, path := p, link.ImportPath
	if path != "" {
		if domain, _, _ := strings.Cut(path, "/"); strings.Contains(domain, ".") && !strings.HasPrefix(path, module) {
			return true
		}
		to = other(path)
	}
	return to != nil && (link.Name == "" || to.Parser().LookupSym(link.Recv, link.Name))
}

// checkExamples: there is one, and each is shown.
func (p *page) checkExamples() {
	shown := map[string]bool{}
	for _, x := range p.shown() {
		shown[x.Name] = true
	}
	for _, x := range p.written {
		if !shown[x.Name] {
			p.faultf("Example%s stands at no identifier", x.Name)
		}
	}
	if len(shown) == 0 {
		p.faultf("there is no example")
	}
}
