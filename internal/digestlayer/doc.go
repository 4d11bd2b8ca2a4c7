// Package digestlayer is the security layer of DIGEST-MD5, RFC 2831 sections 2.3 and
// 2.4: the packets of one direction of a connection, without the four octets of
// their length.
//
//	part      octets  auth-int   auth-conf, RC4   auth-conf, DES and 3DES
//	message   0…      clear      encrypted        encrypted
//	padding   0 or    none       none             encrypted: 1 to 8 octets that each
//	          1 to 8                              hold their number, so that the
//	                                              encrypted part is whole blocks
//	MAC       10      clear      encrypted        encrypted
//	type      2       clear: 0x0001
//	sequence  4       clear, big endian: 0 for the first packet of the direction
//
// The MAC is the first 10 octets of HMAC-MD5(Ki, sequence message). RC4 is one key
// stream for the whole direction; DES and 3DES are in CBC mode whose state goes on
// from packet to packet. Keys are made from H(A1), which nonce, cnonce and password
// determine: with the same nonces there are the same keys.
//
// Where RFC 2831 is silent or unclear, this does what Cyrus SASL and the JDK do.
// RC4, DES and MD5 are broken or weak by today's measure, and the RFC knows no
// others: this is for peers that have nothing better.
package digestlayer
