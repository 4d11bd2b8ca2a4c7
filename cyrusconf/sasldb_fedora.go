//go:build fedora

package cyrusconf

const linuxSasldb = "/etc/sasl2/sasldb2"
