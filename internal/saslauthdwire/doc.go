// Package saslauthdwire is the protocol between libsasl and saslauthd, for both
// sides, as functions on bytes in memory. A connection carries one request and one
// reply.
//
//	request   login, password, service, realm, and perhaps client
//	  each    length in bytes, 16 bits, big endian; then that many bytes
//	reply     length in bytes, 16 bits, big endian, 2 to 1024; then the text
//	  text    "OK" or "NO", alone or followed by a space and a reason
//
// The client is the address of whom the login comes from, "ip;port", and may be
// empty. The daemon of release 2.1.28 does not read it. That of the development
// tree after it (2.2) waits for it, and so answers an older client never; and it
// stops reading a field at 256 bytes like the older one, where libsasl sends up to
// 8,192 in all.
//
// What the originals let pass is refused here: libsasl takes every text that begins
// "OK" for a success, and the daemon cuts fields at a NUL.
package saslauthdwire
