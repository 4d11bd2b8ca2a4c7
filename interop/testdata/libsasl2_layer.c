/* Both halves of Cyrus SASL's DIGEST-MD5 with security layers, on standard input and output:
 * libsasl2_layer USER PASSWORD REALM SASLDB REAUTH_MINUTES
 *
 * Reads lines, of words separated by one space; messages are in base64, "-" is none:
 *   begin client|server QOP CIPHER MAXBUF MESSAGE   a new login, for this protection and no other
 *   step MESSAGE
 *   encode DATA                                     what the other side is to be sent
 *   decode DATA                                     what the other side sent
 * and answers each with one of
 *   more MESSAGE
 *   done MESSAGE
 *   data DATA
 *   failed CODE DETAIL
 * It ends with its input. */
#include <sasl/sasl.h>
#include <sasl/saslutil.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 1 << 20 };

static const char *user, *password, *realm, *sasldb, *reauth;
static sasl_conn_t *conn;
static int client;

static int option(void *context, const char *plugin, const char *name, const char **value, unsigned *length)
{
	const char *const all[][2] = {
		{"pwcheck_method", "auxprop"}, {"auxprop_plugin", "sasldb"}, {"log_level", "0"},
		{"sasldb_path", sasldb}, {"reauth_timeout", reauth},
	};
	*value = NULL;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (strcmp(name, all[i][0]) == 0)
			*value = all[i][1];
	if (length && *value)
		*length = strlen(*value);
	return *value ? SASL_OK : SASL_FAIL;
}

static int simple(void *context, int id, const char **result, unsigned *length)
{
	*result = id == SASL_CB_AUTHNAME ? user : "";
	if (length)
		*length = strlen(*result);
	return SASL_OK;
}

static int secret(sasl_conn_t *c, void *context, int id, sasl_secret_t **result)
{
	static sasl_secret_t *kept;
	if (!kept) {
		kept = malloc(sizeof *kept + strlen(password) + 1);
		kept->len = strlen(password);
		strcpy((char *)kept->data, password);
	}
	*result = kept;
	return SASL_OK;
}

static int choose(void *context, int id, const char **offered, const char **result)
{
	*result = offered[0];
	return SASL_OK;
}

/* strength is the SSF of a protection. */
static unsigned strength(const char *qop, const char *cipher)
{
	static const struct { const char *name; unsigned ssf; } all[] = {
		{"rc4", 128}, {"3des", 112}, {"rc4-56", 56}, {"des", 55}, {"rc4-40", 40},
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (strcmp(cipher, all[i].name) == 0)
			return all[i].ssf;
	return strcmp(qop, "auth-int") == 0;
}

static char *decode(const char *word, unsigned *length)
{
	size_t room = strlen(word) + 1;
	char *message = malloc(room);
	*length = 0;
	if (strcmp(word, "-") == 0 || sasl_decode64(word, strlen(word), message, room, length) != SASL_OK) {
		free(message);
		return NULL;
	}
	return message;
}

static void answer(const char *what, const char *message, unsigned length)
{
	unsigned room = length * 2 + 8, printed;
	char *word = malloc(room);
	if (!message || sasl_encode64(message, length, word, room, &printed) != SASL_OK || printed == 0)
		printf("%s -\n", what);
	else
		printf("%s %.*s\n", what, (int)printed, word);
	free(word);
}

static void failed(int code) { printf("failed %d %s\n", code, conn ? sasl_errdetail(conn) : ""); }

static void stepped(int code, const char *message, unsigned length)
{
	if (code == SASL_CONTINUE || code == SASL_OK)
		answer(code == SASL_OK ? "done" : "more", message, length);
	else
		failed(code);
}

static int begin(sasl_callback_t *clients, sasl_callback_t *servers, const char *qop, const char *cipher, unsigned maxbuf)
{
	sasl_security_properties_t wanted = {0};
	int code;
	sasl_dispose(&conn);
	wanted.min_ssf = wanted.max_ssf = strength(qop, cipher);
	wanted.maxbufsize = maxbuf;
	code = client ? sasl_client_new("smtp", "localhost", NULL, NULL, clients, 0, &conn)
		      : sasl_server_new("smtp", "localhost", realm, NULL, NULL, servers, SASL_SUCCESS_DATA, &conn);
	return code == SASL_OK ? sasl_setprop(conn, SASL_SEC_PROPS, &wanted) : code;
}

static void start(const char *response, unsigned length)
{
	const char *message = NULL, *chosen;
	unsigned said = 0;
	int code = client ? sasl_client_start(conn, "DIGEST-MD5", NULL, &message, &said, &chosen)
			  : sasl_server_start(conn, "DIGEST-MD5", response, length, &message, &said);
	stepped(code, message, said);
}

static void step(const char *response, unsigned length)
{
	const char *message = NULL;
	unsigned said = 0;
	int code = client ? sasl_client_step(conn, response, length, NULL, &message, &said)
			  : sasl_server_step(conn, response, length, &message, &said);
	stepped(code, message, said);
}

/* convert encodes or decodes; encoding goes in parts that the other side has room for. */
static void convert(const char *data, unsigned length, int encoding)
{
	static char all[ROOM];
	unsigned done = 0, at = 0, part = length;
	const unsigned *most = NULL;
	if (encoding && sasl_getprop(conn, SASL_MAXOUTBUF, (const void **)&most) == SASL_OK && *most > 0 && *most < part)
		part = *most;
	do {
		const char *out = NULL;
		unsigned n = 0, take = length - at < part ? length - at : part;
		int code = encoding ? sasl_encode(conn, data + at, take, &out, &n) : sasl_decode(conn, data + at, take, &out, &n);
		if (code != SASL_OK || n > ROOM - done) {
			failed(code);
			return;
		}
		if (n > 0)
			memcpy(all + done, out, n);
		done += n, at += take;
	} while (at < length);
	answer("data", all, done);
}

int main(int argc, char **argv)
{
	sasl_callback_t servers[] = {{SASL_CB_GETOPT, (int (*)(void))option, NULL}, {SASL_CB_LIST_END, NULL, NULL}};
	sasl_callback_t clients[] = {
		{SASL_CB_USER, (int (*)(void))simple, NULL}, {SASL_CB_AUTHNAME, (int (*)(void))simple, NULL},
		{SASL_CB_PASS, (int (*)(void))secret, NULL}, {SASL_CB_GETREALM, (int (*)(void))choose, NULL},
		{SASL_CB_LIST_END, NULL, NULL},
	};
	static char line[2 * ROOM], role[16], qop[16], cipher[16], word[2 * ROOM];
	unsigned maxbuf, length;

	if (argc != 6)
		return 2;
	user = argv[1], password = argv[2], realm = argv[3], sasldb = argv[4], reauth = argv[5];
	if (sasl_server_init(servers, "interop") != SASL_OK || sasl_client_init(clients) != SASL_OK)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof line, stdin)) {
		char *message = NULL;
		if (sscanf(line, "begin %15s %15s %15s %u %s", role, qop, cipher, &maxbuf, word) == 5) {
			int code;
			client = strcmp(role, "client") == 0;
			message = decode(word, &length);
			if ((code = begin(clients, servers, qop, cipher, maxbuf)) == SASL_OK)
				start(message, length);
			else
				failed(code);
		} else if (sscanf(line, "step %s", word) == 1) {
			message = decode(word, &length);
			step(message, length);
		} else if (sscanf(line, "encode %s", word) == 1 || sscanf(line, "decode %s", word) == 1) {
			message = decode(word, &length);
			convert(message, length, line[0] == 'e');
		} else {
			return 2;
		}
		free(message);
	}
	sasl_dispose(&conn);
	sasl_done();
	return 0;
}
