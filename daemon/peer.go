package daemon

import "fmt"

// Credentials are of the process at the other end of a unix socket, when it connected.
type Credentials struct {
	Known         bool
	PID, UID, GID int
}

// String is for logs.
func (c Credentials) String() string {
	if !c.Known {
		return "unknown"
	}
	return fmt.Sprintf("pid %d, uid %d, gid %d", c.PID, c.UID, c.GID)
}
