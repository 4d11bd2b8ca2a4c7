package daemon

const (
	// stagingName is the folder, beside the socket, in which sockets are made.
	stagingName = ".sasl"
	// stagedName is that of the socket there.
	stagedName = "s"
)
