package interop

import (
	"cmp"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/pages"
)

// assumed is what code on a page leaves out: imports, and names that its reader has values
// for.
const assumed = `package page

import (
	"context"
	"crypto/x509"
	"fmt"
	"log"
	"log/slog"
	"net"
	netsmtp "net/smtp"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/acting"
	"github.com/saslkit/saslkit/verifier/shadow"
	"github.com/saslkit/saslkit/verifier/passwdfile"
	"github.com/saslkit/saslkit/verifier/stored"
)
`

// given are the values. What a page declares itself hides them.
const given = `
var (
	ctx         context.Context
	conn        net.Conn
	client      *netsmtp.Client
	exchange    *saslkit.Exchange
	cfg         saslkit.ClientConfig
	channel     saslkit.Channel
	certificate, leaf *x509.Certificate
	greeting, password string
	offered     []string
	key         []byte
	policy      realm.Policy
	request     verifier.Request
	store       verifier.Verifier
	auth        *saslkit.Authenticator
	db          *sasldb.DB
	users       *passwdfile.DB
	c           *smtp.Client // or a connection of a server, which knows its TLS as well
	old         *shadow.DB
	checker     *stored.Checker
	row         struct{ Password string }
	source      interface{ Token() (*struct{ AccessToken string }, error) } // of golang.org/x/oauth2
)

type backend struct{}

type session struct {
	smtp.Session
	*saslkit.Peer
}
`

// A setting is where code of a page can stand: before it and behind it.
type setting struct{ before, behind string }

var settings = []setting{
	{"", ""},
	{"func _() {\n", "\n}\n"},
	{"func _() {\n\t_ = saslkit.PeerConfig{\n", "\n\t}\n}\n"},
	{"func _() {\n\t_ = saslkit.ClientConfig{\n", "\n\t}\n}\n"},
}

// TestPagesGo: Go on the pages compiles.
func TestPagesGo(t *testing.T) {
	t.Parallel()
	imports := exported(t)
	found := 0
	for _, path := range pagePaths(t) {
		page, err := pages.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range page.Blocks() {
			if b.Language != "go" {
				continue
			}
			found++
			if err := compiles(imports, b.Text); err != nil {
				t.Errorf("%s:%d: %v", path, b.Line, err)
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d blocks", found)
	}
}

// TestPagesGoFaults: what does not compile is noticed, wherever it may stand.
func TestPagesGoFaults(t *testing.T) {
	t.Parallel()
	imports := exported(t)
	for code, want := range map[string]string{
		"err := auth.Validate()":                          "",
		"err := auth.Valid()":                             "auth.Valid undefined",
		"x := auth.Validate(":                             "missing",
		"Policy: mech.Policy{Clear: mech.MutualAuth},":    "",
		"Policy: mech.Policy{Plain: mech.MutualAuth},":    "unknown field",
		"err := auth.Validate()\n\nfunc f() { auth.X() }": "auth.X undefined",
		"err := unheardOf(auth)":                          "undefined: unheardOf",
		`auth.NewPeer(saslkit.PeerConfig{Service: 143})`:  "cannot use 143",
	} {
		err := compiles(imports, code)
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", code, err, want)
		}
	}
}

// compiles reports why code does not compile in any setting. That names are not used is
// no fault of a page.
func compiles(imports types.Importer, code string) error {
	var parsed, unparsed error
	for _, s := range settings {
		source := assumed + code + given // which may import, too
		if s.before != "" {
			statements, functions := apart(code)
			source = assumed + given + s.before + statements + s.behind + functions
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, "page.go", source, 0)
		if err != nil {
			unparsed = err
			continue
		}
		var faults []error
		cfg := types.Config{Importer: imports, Error: func(err error) {
			if e := (types.Error{}); !errors.As(err, &e) || !e.Soft {
				faults = append(faults, err)
			}
		}}
		cfg.Check("page", set, []*ast.File{file}, nil)
		if len(faults) == 0 {
			return nil
		}
		parsed = cmp.Or(parsed, errors.Join(faults...))
	}
	return cmp.Or(parsed, unparsed)
}

// apart cuts off the functions that follow statements.
func apart(code string) (statements, functions string) {
	if i := strings.Index("\n"+code, "\nfunc "); i >= 0 {
		return code[:i], code[i:]
	}
	return code, ""
}

// exported imports what this module can.
func exported(t *testing.T) types.Importer {
	t.Helper()
	out, err := exec.Command(need(t, "go"), "list", "-export", "-deps", "-test", "-f", "{{.ImportPath}}={{.Export}}", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "=")
		files[path] = file
	}
	return importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(files[path]) })
}

// pagePaths are those of all pages that no other test executes.
func pagePaths(t *testing.T) []string {
	t.Helper()
	all := []string{"../README.md", "../CONTRIBUTING.md", "../SECURITY.md"}
	err := filepath.WalkDir("../docs", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == "guides" {
			return filepath.SkipDir
		}
		if err == nil && strings.HasSuffix(path, ".md") && entry.Name() != "packages.md" {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
