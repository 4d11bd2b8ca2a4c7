package daemon

import (
	"net"

	"golang.org/x/sys/unix"
)

// credentialsOf asks the system who is at the other end of a unix socket.
func credentialsOf(c net.Conn) Credentials {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return Credentials{}
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return Credentials{}
	}
	var id Credentials
	raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			id = Credentials{Known: true, PID: int(cred.Pid), UID: int(cred.Uid), GID: int(cred.Gid)}
		}
	})
	return id
}
