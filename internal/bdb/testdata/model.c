/*
 * libdb's side of TestModel: does to one database file what it reads on its
 * standard input, and answers on its standard output.
 *
 *     model FILE PAGESIZE BYTEORDER CHECKSUMS
 *
 * The last three count when the file is created: bytes, 1234 or 4321, 0 or 1.
 *
 * A request is an operation, a key and a value; an answer a status (0, or libdb's
 * error number), a key and a value. Operation and status are 32-bit numbers, key
 * and value are preceded by their length as such, all in this machine's byte order.
 *
 *     o  open to write, creating the file
 *     r  open to read
 *     c  close
 *     p  put, overwriting
 *     d  delete
 *     g  get
 *     l  list: an answer for each record, then one with status DB_NOTFOUND
 *     v  verify the closed file
 *
 * Any trouble with the protocol itself ends the program with status 2.
 */
#include <db.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what)
{
	fprintf(stderr, "model: %s\n", what);
	exit(2);
}

static void write_number(uint32_t n)
{
	if (fwrite(&n, sizeof n, 1, stdout) != 1)
		die("cannot write");
}

static void write_bytes(const DBT *t)
{
	write_number(t->size);
	if (t->size > 0 && fwrite(t->data, t->size, 1, stdout) != 1)
		die("cannot write");
}

static void answer(int status, const DBT *key, const DBT *value)
{
	write_number((uint32_t)status);
	write_bytes(key);
	write_bytes(value);
}

static uint32_t read_number(void)
{
	uint32_t n;

	if (fread(&n, sizeof n, 1, stdin) != 1)
		die("request is cut short");
	return n;
}

/* read_bytes lets t own memory of at least one byte. */
static void read_bytes(DBT *t)
{
	memset(t, 0, sizeof *t);
	t->size = read_number();
	if ((t->data = malloc((size_t)t->size + 1)) == NULL)
		die("no memory");
	if (t->size > 0 && fread(t->data, t->size, 1, stdin) != 1)
		die("request is cut short");
}

static DB *new_handle(void)
{
	DB *db;

	if (db_create(&db, NULL, 0) != 0)
		die("no handle");
	db->set_errfile(db, stderr);
	return db;
}

/* open_file opens as saslpasswd2 does: no environment, nothing but the file. */
static int open_file(DB **db, char **argv, int operation)
{
	*db = new_handle();
	if (operation == 'r')
		return (*db)->open(*db, NULL, argv[1], NULL, DB_HASH, DB_RDONLY, 0600);
	(*db)->set_pagesize(*db, (u_int32_t)atoi(argv[2]));
	(*db)->set_lorder(*db, atoi(argv[3]));
	if (atoi(argv[4]))
		(*db)->set_flags(*db, DB_CHKSUM);
	return (*db)->open(*db, NULL, argv[1], NULL, DB_HASH, DB_CREATE, 0600);
}

static int list(DB *db)
{
	DBC *cursor;
	DBT key, value;
	int r;

	if ((r = db->cursor(db, NULL, &cursor, 0)) != 0)
		return r;
	for (;;) {
		memset(&key, 0, sizeof key);
		memset(&value, 0, sizeof value);
		if ((r = cursor->get(cursor, &key, &value, DB_NEXT)) != 0)
			break;
		answer(0, &key, &value);
	}
	cursor->close(cursor);
	return r;
}

int main(int argc, char **argv)
{
	DB *db = NULL;
	uint32_t operation;

	if (argc != 5)
		die("four arguments expected");
	while (fread(&operation, sizeof operation, 1, stdin) == 1) {
		DBT key, value, found, none;
		int r = 0;

		read_bytes(&key);
		read_bytes(&value);
		memset(&found, 0, sizeof found);
		memset(&none, 0, sizeof none);
		if ((db != NULL) == (operation == 'o' || operation == 'r' || operation == 'v'))
			die("the file is open and should not be, or the other way round");
		switch (operation) {
		case 'o':
		case 'r':
			r = open_file(&db, argv, (int)operation);
			break;
		case 'c':
			r = db->close(db, 0);
			db = NULL;
			break;
		case 'p':
			r = db->put(db, NULL, &key, &value, 0);
			break;
		case 'd':
			r = db->del(db, NULL, &key, 0);
			break;
		case 'g':
			r = db->get(db, NULL, &key, &found, 0);
			break;
		case 'l':
			r = list(db);
			break;
		case 'v':
			db = new_handle();
			r = db->verify(db, argv[1], NULL, NULL, 0); /* and the handle is gone */
			db = NULL;
			break;
		default:
			die("unknown operation");
		}
		answer(r, &none, &found);
		free(key.data);
		free(value.data);
	}
	if (db != NULL)
		die("the file was left open");
	return fflush(stdout) != 0;
}
