/* peer runs libgdbm for peer_test.go: a command per line on standard input, an
   answer on standard output. Keys and values are hexadecimal digits behind an x.

     open FILE BLOCKSIZE FLAGS   FLAGS: n a numsync file if it is new, c coalesce
     store KEY VALUE             replaces
     delete KEY
     fetch KEY                   x..., or none
     list                        a line KEY VALUE for each record, then a dot
     check                       ok if libgdbm finds nothing to recover
     reorganize
     close

   Other answers are ok, or error and libgdbm's words. The list goes from key to
   key and fetches each. */

#include <gdbm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static GDBM_FILE db;

static int digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

static datum unhex(const char *s)
{
	datum d = {NULL, 0};

	if (s == NULL || *s++ != 'x')
		return d;
	d.dptr = malloc(strlen(s) / 2 + 1);
	for (; s[0] && s[1]; s += 2)
		d.dptr[d.dsize++] = digit(s[0]) << 4 | digit(s[1]);
	return d;
}

static void hex(datum d)
{
	static const char digits[] = "0123456789abcdef";

	putchar('x');
	for (int i = 0; i < d.dsize; i++) {
		putchar(digits[d.dptr[i] >> 4 & 15]);
		putchar(digits[d.dptr[i] & 15]);
	}
}

static void answer(int failed)
{
	if (failed)
		printf("error %s\n", gdbm_strerror(gdbm_errno));
	else
		puts("ok");
}

static int open_file(const char *path, const char *block_size, const char *flags)
{
	int mode = GDBM_WRCREAT;

	if (strchr(flags, 'n'))
		mode |= GDBM_NUMSYNC;
	db = gdbm_open(path, atoi(block_size), mode, 0600, NULL);
	if (db == NULL)
		return 1;
	if (strchr(flags, 'c')) {
		int yes = 1;
		return gdbm_setopt(db, GDBM_SETCOALESCEBLKS, &yes, sizeof yes);
	}
	return 0;
}

static int list(void)
{
	datum key = gdbm_firstkey(db);

	while (key.dptr) {
		datum value = gdbm_fetch(db, key), next = gdbm_nextkey(db, key);

		hex(key);
		putchar(' ');
		if (value.dptr)
			hex(value);
		putchar('\n');
		free(value.dptr);
		free(key.dptr);
		key = next;
	}
	if (gdbm_errno != GDBM_ITEM_NOT_FOUND)
		return 1;
	puts(".");
	return 0;
}

/* check asks for a recovery, which looks at every bucket and record and does
   nothing if all are well. */
static int check(void)
{
	gdbm_recovery r;

	memset(&r, 0, sizeof r);
	if (gdbm_needs_recovery(db) || gdbm_recover(db, &r, 0))
		return 1;
	if (r.recovered_buckets) {
		puts("recovered");
		return 0;
	}
#if GDBM_VERSION_MAJOR > 1 || GDBM_VERSION_MINOR >= 21
	if (gdbm_avail_verify(db))
		return 1;
#endif
	puts("ok");
	return 0;
}

static void run(char *line)
{
	char *command = strtok(line, " \n"), *a = strtok(NULL, " \n"), *b = strtok(NULL, " \n"), *c = strtok(NULL, " \n");
	datum key, value;

	if (command == NULL)
		return;
	if (strcmp(command, "open") == 0) {
		answer(open_file(a, b, c ? c : ""));
	} else if (db == NULL) {
		puts("error no file is open");
	} else if (strcmp(command, "store") == 0) {
		key = unhex(a);
		value = unhex(b);
		answer(gdbm_store(db, key, value, GDBM_REPLACE));
		free(key.dptr);
		free(value.dptr);
	} else if (strcmp(command, "delete") == 0) {
		key = unhex(a);
		answer(gdbm_delete(db, key));
		free(key.dptr);
	} else if (strcmp(command, "fetch") == 0) {
		key = unhex(a);
		value = gdbm_fetch(db, key);
		if (value.dptr) {
			hex(value);
			putchar('\n');
		} else if (gdbm_errno == GDBM_ITEM_NOT_FOUND) {
			puts("none");
		} else {
			answer(1);
		}
		free(key.dptr);
		free(value.dptr);
	} else if (strcmp(command, "list") == 0) {
		if (list())
			answer(1);
	} else if (strcmp(command, "check") == 0) {
		if (check())
			answer(1);
	} else if (strcmp(command, "reorganize") == 0) {
		answer(gdbm_reorganize(db));
	} else if (strcmp(command, "close") == 0) {
		answer(gdbm_close(db));
		db = NULL;
	} else {
		puts("error no such command");
	}
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		run(line);
		fflush(stdout);
	}
	return 0;
}
