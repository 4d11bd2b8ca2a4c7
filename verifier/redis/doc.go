// Package redis lets servers throttle guessing together: it keeps the counts of a
// [verifier.Throttle] in Redis, Valkey, or what else speaks their protocol and runs
// Lua scripts (Redis 5 or later).
//
//	store, err := redis.New(redis.Options{
//		Server: &goredis.UniversalOptions{Addrs: []string{"/run/redis/redis.sock"}},
//		Key:    key, // the same on all servers
//	})
//	guard, err := verifier.NewThrottle(verifier.ThrottleOptions{Store: store})
//
// A [Store] is a [verifier.ThrottleStore], and may be used concurrently. [New] does not
// connect; [Store.Ping] does, for who wants to know at start. The rules are those of
// Throttle, whose options come with every question; the servers that share counts should
// have the same ones.
//
// # What is stored
//
// A string for each address and user with failures in the last hour or an attempt
// under way, and one for each pair of both with a login in the last day: three times
// and three counts, some 60 bytes. Its name is
//
//	saslkit:{throttle}:KIND:HASH
//
// where KIND is "a", "u" or "p" and HASH the first 16 bytes of an HMAC-SHA-256, with
// [Options.Key], of what it stands for. Whoever reads the database learns counts and no
// names, and cannot try names either. Passwords do not come here at all. Braces keep
// all of it on one node of a cluster, since a script needs three keys at once.
//
// Every string has a time to live, so the database needs no care. Guesses at
// invented names fill it nevertheless: set maxmemory, with maxmemory-policy
// volatile-ttl or noeviction. FLUSHALL forgives everybody.
//
// # What a login costs
//
// One round trip before the password is looked at and one when the outcome is known,
// each a script that nothing comes between. An attempt that has to wait asks again
// once a second at most.
//
// # When the server is down
//
// Then each Throttle decides alone, by what it saw itself, and no login fails. A server
// that hangs delays one login by ThrottleOptions.StoreTimeout, and for the next five
// seconds it is not asked; ThrottleOptions.StoreTrouble hears of it. Failures of that
// time are not told later. A value that is not ours is replaced. go-redis itself writes
// to standard error that it cannot connect, unless its SetLogger was told otherwise.
//
// The clock is that of the database. After a failover to one with another clock,
// windows may be cut short or last an hour more.
//
// The client is go-redis: it speaks to a single server, to one behind Sentinel and to a
// cluster by one set of options, ends a call at the context's deadline, and is
// kept by the makers of Redis. valkey-go
// multiplexes calls over one connection, which is faster for servers with far more
// logins than mail has.
package redis
