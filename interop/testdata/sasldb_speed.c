/*
 * What libdb does in the time that package sasldb takes for the same, for
 * sasldb_speed_test.go.
 *
 *     sasldb_speed FILE USERS
 *
 * FILE is a sasldb2 with so many users, or becomes one. A line on standard input
 * names a task, one on standard output gives the nanoseconds for each operation.
 * Keys are made before the clock starts.
 *
 *     load        makes the file: a put for each user in order, with 64 MB of cache
 *     cyrus N     N look-ups of users at random as Cyrus SASL does: open, get, close
 *     get N       N look-ups through one handle that stays open, with default cache
 *     put N       N changed passwords as Cyrus SASL does: open, put, close
 */
#include <db.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEY_SIZE 64

static const char *path;
static unsigned users;

static void die(const char *what, int status)
{
	fprintf(stderr, "sasldb_speed: %s: %s\n", what, status ? db_strerror(status) : "");
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static unsigned anybody(void)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 11) % users);
}

struct entry {
	unsigned user, size;
	char key[KEY_SIZE];
};

static void name(struct entry *e, unsigned user)
{
	e->user = user;
	e->size = (unsigned)snprintf(e->key, KEY_SIZE, "user%07u%cmail.example%cuserPassword", user, 0, 0);
}

static struct entry *entries(unsigned n)
{
	struct entry *all = malloc((n + 1) * sizeof *all);

	if (all == NULL)
		die("no memory", 0);
	return all;
}

static DB *open_file(u_int32_t flags, u_int32_t cache)
{
	DB *db;
	int r;

	if ((r = db_create(&db, NULL, 0)) != 0 ||
	    (cache != 0 && (r = db->set_cachesize(db, 0, cache, 1)) != 0) ||
	    (r = db->open(db, NULL, path, NULL, DB_HASH, flags, 0660)) != 0)
		die("open", r);
	return db;
}

static void close_file(DB *db)
{
	int r = db->close(db, 0);

	if (r != 0)
		die("close", r);
}

static void put(DB *db, struct entry *e, char mark)
{
	char password[32];
	DBT key, value;
	int r;

	memset(&key, 0, sizeof key);
	memset(&value, 0, sizeof value);
	key.data = e->key;
	key.size = e->size;
	value.data = password;
	value.size = (u_int32_t)snprintf(password, sizeof password, "p%c-%011u", mark, e->user);
	if ((r = db->put(db, NULL, &key, &value, 0)) != 0)
		die("put", r);
}

static void get(DB *db, struct entry *e)
{
	DBT key, value;
	int r;

	memset(&key, 0, sizeof key);
	memset(&value, 0, sizeof value);
	key.data = e->key;
	key.size = e->size;
	value.flags = DB_DBT_MALLOC;
	if ((r = db->get(db, NULL, &key, &value, 0)) != 0)
		die("get", r);
	free(value.data);
}

static double load(void)
{
	struct entry *all = entries(users);
	double start;
	DB *db;
	unsigned i;

	for (i = 0; i < users; i++)
		name(&all[i], i);
	start = now();
	db = open_file(DB_CREATE | DB_EXCL, 64 << 20);
	for (i = 0; i < users; i++)
		put(db, &all[i], 'w');
	close_file(db);
	start = now() - start;
	free(all);
	return start / users;
}

static double work(const char *task, unsigned n)
{
	static DB *kept;
	struct entry *all = entries(n);
	double start;
	DB *db;
	unsigned i;

	for (i = 0; i < n; i++)
		name(&all[i], anybody());
	if (strcmp(task, "get") == 0 && kept == NULL)
		kept = open_file(DB_RDONLY, 0);
	start = now();
	for (i = 0; i < n; i++) {
		if (strcmp(task, "get") == 0) {
			get(kept, &all[i]);
		} else if (strcmp(task, "cyrus") == 0) {
			db = open_file(DB_RDONLY, 0);
			get(db, &all[i]);
			close_file(db);
		} else if (strcmp(task, "put") == 0) {
			db = open_file(DB_CREATE, 0);
			put(db, &all[i], 'x');
			close_file(db);
		} else {
			die("unknown task", 0);
		}
	}
	start = now() - start;
	free(all);
	return start / n;
}

int main(int argc, char **argv)
{
	char line[64], task[16];
	unsigned n;

	if (argc != 3)
		die("two arguments expected", 0);
	path = argv[1];
	users = (unsigned)atoi(argv[2]);
	while (fgets(line, sizeof line, stdin) != NULL) {
		n = 0;
		if (sscanf(line, "%15s %u", task, &n) < 1)
			die("no task", 0);
		printf("%.1f\n", strcmp(task, "load") == 0 ? load() : work(task, n));
		fflush(stdout);
	}
	return 0;
}
