/*
 * A program that lets liblmdb do what it is told, for the tests of this package.
 *
 *	cc -O1 -o peer peer.c -llmdb
 *
 * For another kind of machine, with the source of liblmdb at hand:
 *
 *	s390x-linux-gnu-gcc -static -O1 -I. -o peer-s390x peer.c mdb.c midl.c -pthread
 *
 * It reads commands, one on a line, and answers each with a line: "ok", what was
 * asked for, or "error" and why. Keys and values are hexadecimal, "-" is empty.
 *
 *	open PATH MAPSIZE 0|writemap
 *	begin, commit, abort
 *	use NAME|- none|dupsort   the database that the next commands go to
 *	put KEY VALUE
 *	del KEY
 *	get KEY                   the value, or "none"
 *	list                      KEY VALUE on lines, then "ok"
 *	churn FIRST LAST          transactions of these numbers, see churn below
 */
#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE (1 << 20)

static MDB_env *env;
static MDB_txn *txn;
static MDB_dbi dbi;

static char line[LINE], keybytes[LINE / 2], valuebytes[LINE / 2];

/* answer prints the reply to a command that has no other. */
static void answer(int rc)
{
	if (rc)
		printf("error %s\n", mdb_strerror(rc));
	else
		puts("ok");
}

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

/* unhex makes a value of a field of the line; buffer is where its bytes go. */
static MDB_val unhex(const char *s, char *buffer)
{
	MDB_val v = {0, buffer};

	if (s && *s != '-')
		for (; s[0] && s[1]; s += 2)
			buffer[v.mv_size++] = (char)(digit(s[0]) << 4 | digit(s[1]));
	return v;
}

static void printhex(MDB_val v)
{
	const unsigned char *b = v.mv_data;

	if (v.mv_size == 0)
		putchar('-');
	for (size_t i = 0; i < v.mv_size; i++)
		printf("%02x", b[i]);
}

static int openenv(const char *path, const char *size, const char *how)
{
	unsigned flags = MDB_NOSUBDIR | MDB_NOSYNC;
	int rc;

	if (!strcmp(how, "writemap"))
		flags |= MDB_WRITEMAP;
	if ((rc = mdb_env_create(&env)))
		return rc;
	mdb_env_set_maxdbs(env, 4);
	if (*size != '0')
		mdb_env_set_mapsize(env, strtoull(size, NULL, 10));
	return mdb_env_open(env, path, flags, 0600);
}

static int begin(void)
{
	int rc = mdb_txn_begin(env, NULL, 0, &txn);

	return rc ? rc : mdb_dbi_open(txn, NULL, 0, &dbi);
}

static int use(const char *name, const char *how)
{
	unsigned flags = MDB_CREATE;

	if (!strcmp(how, "dupsort"))
		flags |= MDB_DUPSORT;
	return mdb_dbi_open(txn, *name == '-' ? NULL : name, flags, &dbi);
}

static int del(MDB_val key)
{
	int rc = mdb_del(txn, dbi, &key, NULL);

	return rc == MDB_NOTFOUND ? 0 : rc;
}

static void get(MDB_val key)
{
	MDB_val value;
	int rc = mdb_get(txn, dbi, &key, &value);

	if (rc == MDB_NOTFOUND) {
		puts("none");
	} else if (rc) {
		answer(rc);
	} else {
		printhex(value);
		putchar('\n');
	}
}

static void list(void)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(txn, dbi, &cursor);

	if (rc) {
		answer(rc);
		return;
	}
	while (!(rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
		printhex(key);
		putchar(' ');
		printhex(value);
		putchar('\n');
	}
	mdb_cursor_close(cursor);
	answer(rc == MDB_NOTFOUND ? 0 : rc);
}

/*
 * What churn writes is a function of key and transaction, so that a reader can tell
 * from the number of the transaction, which is the value of the key "t", what the
 * whole file must hold. Each transaction writes an eighth of the keys.
 */
enum { KEYS = 64, STRIDE = 8 };

static uint64_t mix(uint64_t key, uint64_t t)
{
	uint64_t z = (key << 40 ^ t) + 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static int churnkey(uint64_t i, uint64_t t)
{
	uint64_t h = mix(i, t);
	char name[16];
	MDB_val key = {(size_t)sprintf(name, "key%02d", (int)i), name}, value = {0, valuebytes};

	if (h % 4 == 0)
		return del(key);
	value.mv_size = h / 16 % 8 == 0 ? h / 256 % 9000 : h / 256 % 100;
	for (size_t j = 0; j < value.mv_size; j++)
		valuebytes[j] = (char)((h >> j % 8 * 8) + j / 8);
	return mdb_put(txn, dbi, &key, &value, 0);
}

static int churn(uint64_t first, uint64_t last)
{
	for (uint64_t t = first; t <= last; t++) {
		char number[24];
		MDB_val key = {1, "t"}, value = {(size_t)sprintf(number, "%llu", (unsigned long long)t), number};
		int rc = begin();

		if (!rc)
			rc = mdb_put(txn, dbi, &key, &value, 0);
		for (uint64_t i = 0; !rc && i < KEYS; i++)
			if ((t + i) % STRIDE == 0)
				rc = churnkey(i, t);
		if (!rc)
			rc = mdb_txn_commit(txn);
		if (rc)
			return rc;
	}
	return 0;
}

int main(void)
{
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	for (; fgets(line, sizeof line, stdin); fflush(stdout)) {
		char *verb = strtok(line, " \n"), *a = strtok(NULL, " \n"), *b = strtok(NULL, " \n"), *c = strtok(NULL, " \n");

		if (!verb)
			answer(MDB_BAD_TXN);
		else if (!strcmp(verb, "open") && c)
			answer(openenv(a, b, c));
		else if (!strcmp(verb, "begin"))
			answer(begin());
		else if (!strcmp(verb, "commit"))
			answer(mdb_txn_commit(txn));
		else if (!strcmp(verb, "abort"))
			mdb_txn_abort(txn), answer(0);
		else if (!strcmp(verb, "use") && b)
			answer(use(a, b));
		else if (!strcmp(verb, "put") && b) {
			MDB_val key = unhex(a, keybytes), value = unhex(b, valuebytes);
			answer(mdb_put(txn, dbi, &key, &value, 0));
		} else if (!strcmp(verb, "del") && a)
			answer(del(unhex(a, keybytes)));
		else if (!strcmp(verb, "get") && a)
			get(unhex(a, keybytes));
		else if (!strcmp(verb, "list"))
			list();
		else if (!strcmp(verb, "churn") && b)
			answer(churn(strtoull(a, NULL, 10), strtoull(b, NULL, 10)));
		else
			puts("error unknown command");
	}
	if (env)
		mdb_env_close(env);
	return 0;
}
