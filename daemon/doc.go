// Package daemon serves logins to programs that ask over a socket: the auth protocol of
// Dovecot, which Postfix, Exim and Dovecot's own login processes speak, and the
// protocols of Cyrus's saslauthd and pwcheck, which libsasl2 speaks.
//
// A [Site] is what is served: a [saslkit.Authenticator] with its stores, its policy and
// its guard, and the realms, for Dovecot's protocol and pwcheck's say none, and
// saslauthd's what a client wrote behind an '@'. A [Current] holds the Site in force. A
// new configuration is a new Site: logins that are under way end with the one that they
// began with.
//
// A [Server] accepts connections from one listener and hands them to a [Handler], which
// is a protocol, [Dovecot], [Saslauthd] or [Pwcheck]:
//
//	listener, err := daemon.Listen(ctx, daemon.Socket{Path: "/var/spool/postfix/private/saslkit", Group: "postfix"})
//	current := daemon.NewCurrent(&daemon.Site{Auth: auth, Realm: realm.Policy{Default: "example.org"}})
//	server := &daemon.Server{Handler: &daemon.Dovecot{Current: current}}
//	err := server.Serve(ctx, listener)
//
// Serve returns when the context has ended and what was under way is finished, for which
// there is a time of grace. One Handler may serve several listeners, each with a Server
// of its own. Handlers, a Current and a [Metrics] may be used concurrently.
//
// # A process that serves
//
// In the order in which it happens: [Activated] takes what systemd passed,
// [Activation.Listen] or [Listen] opens sockets, [DropPrivileges] gives up root, and
// [Activation.Notify] tells that logins are served. [ServeMetrics] tells Prometheus what
// was counted. The command saslkit is this with options; the example of Activated is the
// whole of it.
//
// # Who may ask
//
// Whoever can open a socket can try passwords, and is believed what it says about its
// client: its address, that it is under TLS, the name in its certificate. Nothing in
// these protocols proves it. The mode of a unix socket, and that of the folder it is in,
// is the gate; on TCP there is none.
//
// # What clients are told
//
// Whether a user exists is never told. Temporary trouble, a store that does not answer
// or a guard that refuses, is never told as a wrong password. Where a protocol has no
// word for it the connection is closed, which Postfix and Exim turn into "try again
// later".
//
// # What the announced mechanisms mean
//
// Dovecot's protocol lists the mechanisms when a client connects, before the channel of
// any login is known, and Postfix keeps a connection and its list for hours. Changes of
// the store or of the Site show on new connections; [Server.Recycle] makes clients come
// back. What a login may use is decided again when it begins.
//
// # Bounds
//
// Input is bounded before it is parsed: lines, fields, connections, requests on a
// connection, and the time in which a message that has begun must be complete. One
// client's mistake ends its own connection and nothing else. A panic in a store is
// temporary trouble of one login.
package daemon
