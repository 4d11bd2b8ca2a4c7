// Package dovecotauth is the protocol between mail servers and Dovecot's auth
// process, both sides of it: lines of fields that are separated by TABs.
//
//	client                          server
//	VERSION 1 2                     VERSION 1 2
//	CPID pid                        MECH name property...    one or more
//	                                SPID pid
//	                                CUID number of the connection
//	                                COOKIE hex
//	                                DONE
//	AUTH id mechanism service=... parameter... resp=base64
//	                                CONT id base64
//	CONT id base64
//	                                OK id user=... parameter...
//	                                FAIL id parameter...
//	CANCEL id
//
// The client begins without waiting: Dovecot 2.4 sends nothing but its VERSION before
// it has read the client's. Ids are numbers of 32 bits which the client chooses, one for
// each request under way on its connection; answers come in any order. A parameter is
// "name" or "name=value". Unknown commands and parameters are ignored by who reads
// them, but Dovecot 2.3 closes the connection for a command that it does not know.
//
// In every field a byte 1 is an escape: followed by '0', '1', 't', 'n' or 'r' it stands
// for NUL, itself, TAB, LF or CR. Postfix and Exim do not undo it, and a program in C
// takes a NUL for the end.
//
// All functions are pure but those of [Reader], which bounds a line before anybody
// looks at it.
package dovecotauth
