package acting

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "acting")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := Load(path, Options{}); r != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v, %v", r, err)
	}
	if r, err := Load(filepath.Dir(path), Options{}); r != nil || err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v, %v", r, err)
	}
	write("alice sales\nbob\n", 0o640)
	var syntax *SyntaxError
	if r, err := Load(path, Options{}); r != nil || !errors.As(err, &syntax) || syntax.File != path || syntax.Line != 2 {
		t.Errorf("with a fault: %v, %v", r, err)
	}
	write("alice sales\n", 0o664)
	if r, err := Load(path, Options{}); err != nil || r.String() != "alice sales\n" {
		t.Errorf("%v, %v", r, err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	write("alice sales\n", 0o666)
	if r, err := Load(path, Options{}); r != nil || err == nil || !strings.Contains(err.Error(), "chmod o-w") || !strings.Contains(err.Error(), path) {
		t.Errorf("that everybody may write: %v, %v", r, err)
	}
}

// What is asked about is the file that is read, also when another takes its name meanwhile.
func TestLoadOfAFileThatIsReplaced(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "acting")
	for name, mode := range map[string]os.FileMode{"mine": 0o600, "everybodys": 0o666} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte("alice "+name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(name, file+".link"); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "mine.link"), path); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	turning := make(chan struct{})
	go func() {
		defer close(turning)
		for {
			for _, name := range []string{"everybodys", "mine"} {
				next := filepath.Join(dir, "next")
				os.Link(filepath.Join(dir, name+".link"), next)
				os.Rename(next, path)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	}()
	for range 2000 {
		if r, err := Load(path, Options{}); err == nil && r.String() != "alice mine\n" {
			t.Errorf("loaded %q", r)
			break
		}
	}
	close(done)
	<-turning
}
