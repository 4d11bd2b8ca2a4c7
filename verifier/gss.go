package verifier

import "context"

// A GSSAcceptor makes security contexts for GSSAPI and GS2-KRB5 (RFC 4752, RFC
// 5801). It holds the service's keys. Its methods may be called concurrently. No
// mechanism of this version asks it.
type GSSAcceptor interface {
	// NewContext begins one exchange for r.Service.
	NewContext(ctx context.Context, r Request) (GSSContext, error)
}

// A GSSContext is one security context under way. It belongs to one exchange
// and is not used concurrently. The caller owns the slices it returns.
type GSSContext interface {
	// Accept consumes a token of at most 65,535 bytes and returns the reply,
	// which may be empty, and whether the context is established.
	Accept(token []byte) (reply []byte, established bool, err error)
	// Account is the initiator, once the context is established.
	Account() (Account, error)
	// Wrap protects a message that negotiates the security layer (RFC 4752 section
	// 3.1), without confidentiality.
	Wrap(message []byte) ([]byte, error)
	// Unwrap is the reverse of Wrap.
	Unwrap(packet []byte) ([]byte, error)
}
