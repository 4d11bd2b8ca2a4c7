package cyrusconf

import (
	"errors"
	"io/fs"
	"os"
)

// CheckFiles looks at the paths that the file sets, and says which are of the wrong
// kind. It opens nothing. A socket that is missing is no fault: whoever serves it
// may start later.
func (a *Application) CheckFiles() Faults {
	var faults Faults
	refuse := func(key, cure, problem string) {
		faults = append(faults, Fault{a.Name, a.Lines[key], key, problem, textOf(cure), Refused})
	}
	if a.Lines["saslauthd_path"] > 0 && isFolder(a.SaslauthdPath) {
		refuse("saslauthd_path", "write saslauthd_path: "+a.SaslauthdPath+"/mux", "saslauthd_path: "+quoted(a.SaslauthdPath)+" is a folder, not the socket in it")
	}
	if a.Lines["sasldb_path"] == 0 {
		return faults
	}
	path := a.SasldbPath
	switch _, err := os.Stat(path); {
	case isFolder(path):
		refuse("sasldb_path", "write the path of the file in it", "sasldb_path: "+quoted(path)+" is a folder")
	case errors.Is(err, fs.ErrNotExist) && isFile(path+".db"): // NDBM adds it
		refuse("sasldb_path", "write sasldb_path: "+path+".db", "sasldb_path: there is no "+quoted(path)+", but the file "+quoted(path+".db"))
	}
	return faults.sorted()
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
