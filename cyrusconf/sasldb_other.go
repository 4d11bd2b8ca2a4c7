//go:build !fedora

package cyrusconf

const linuxSasldb = "/etc/sasldb2"
