// Package sql asks databases for users, by statements of the site's own: those that
// Cyrus SASL's plugin sql has in sql_select, sql_insert and sql_update, unchanged, or
// better ones. It is built on database/sql; the caller brings driver and pools.
//
//	pool, err := sql.Open("pgx", "postgres://…")
//	users, err := saslsql.New(saslsql.Options{
//		Dialect: saslsql.PostgreSQL,
//		Servers: []*sql.DB{pool},
//		Select:  "SELECT password FROM users WHERE name = '%u' AND realm = '%r'",
//	})
//
// A [DB] is a [verifier.SecretStore], and may be used concurrently. [New] does not
// connect: databases may start later. What it can serve is declared by [Options.Kinds],
// or counted with [Options.List]: then call [DB.Refresh] before serving and every few
// minutes.
//
// # Statements
//
// A statement is a template. %u is the user, %r the realm, %v the value that is stored, %p
// the name of a property or column, %% a percent sign. None of the values is ever put
// into SQL text: a string in quotes with tokens in it, '%u@%r', becomes one bound
// parameter, and so does a token without quotes. Only for %p, which is a name, one of a
// fixed list is written, also inside the quotes of names, "%p".
//
// What could be read by the server as something else than by us is an error of [New] that
// names place and cure: comments, backslashes in strings, dollar quotes, E'...' and its
// kind, placeholders, a second statement, a quote that is not closed, a token that is not
// known, a name as a pattern of LIKE. See [TemplateError].
//
// # Rows
//
// A select with %p is run once for each property, as Cyrus does: userPassword,
// authPassword for SCRAM, cmusaslsecretOTP and so on, as [Options.Kinds] names them. The
// first column counts. One without %p is run once, and its columns are read by their
// names, whose case does not matter:
//
//	password, userpassword      the password or its hash; a single column of another name too
//	scram_sha_256, scram_sha_1…  SCRAM keys, as SCRAM-SHA-256$4096:…$…:…
//	authpassword                SCRAM keys of any hash
//	cram_md5, digest_md5        in hex
//	nt_hash                     the same, for NTLM
//	otp                         the state of a series
//	saslkit_origin              where a transition copied the user from
//	disabled                    a boolean
//	expires                     a time, of UTC if it has no zone, or seconds since 1970
//	user, username, realm       the names of the account, if not those that were asked for
//
// Others are attributes of the account, so select no more than is meant to be seen. What
// values are is said in package [stored]: a {SCHEME} counts, without one a password is as
// it is, and what looks like a hash, $2y$…, is one. A NULL, and an empty text, is
// nothing; a user of whom nothing is held does not exist. Beside a password SCRAM keys
// are not handed out, for they may be of an older one.
//
// # Trouble
//
// An error of the database is never "no such user": it is [verifier.ErrUnavailable], as are
// several rows for one user, and columns that make no sense. Servers are asked in turn;
// one that did not answer in time is spared for some seconds, and one that is behind is
// passed over if [Options.Fresh] says how to tell. A [DB.Update] that ended while it was
// being committed is [ErrInDoubt].
package sql
