/* The server half of Cyrus SASL on standard input and output: libsasl2_server SASLDB REALM
 *
 * With "-" in place of SASLDB the file interop.conf says where secrets are.
 *
 * Reads lines, of words separated by one space; messages are in base64, "-" is none:
 *   start MECHANISM BINDING DATA RESPONSE   a new login; with DATA of a channel binding of type BINDING, or "-" and "-"
 *   step RESPONSE
 * and answers each with one of
 *   more CHALLENGE
 *   done USER CHALLENGE                     USER with realm; the CHALLENGE belongs to success
 *   failed CODE DETAIL
 * It ends with its input. */
#include <sasl/sasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *sasldb, *realm;

static int option(void *context, const char *plugin, const char *name, const char **value, unsigned *length)
{
	static const char *const others[][2] = {
		{"pwcheck_method", "auxprop"}, {"auxprop_plugin", "sasldb"}, {"log_level", "0"},
	};
	*value = NULL;
	if (strcmp(sasldb, "-") == 0)
		return SASL_FAIL;
	if (strcmp(name, "sasldb_path") == 0)
		*value = sasldb;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (strcmp(name, others[i][0]) == 0)
			*value = others[i][1];
	if (length && *value)
		*length = strlen(*value);
	return *value ? SASL_OK : SASL_FAIL;
}

/* decode returns the message of a word in memory of its own, NULL for none. */
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

static void print_message(const char *message, unsigned length)
{
	unsigned room = length * 2 + 8, printed;
	char *word = malloc(room);
	if (!message)
		printf(" -\n");
	else if (sasl_encode64(message, length, word, room, &printed) == SASL_OK)
		printf(" %.*s\n", (int)printed, word);
	free(word);
}

static void answer(sasl_conn_t *conn, int code, const char *message, unsigned length)
{
	const void *user = NULL;
	if (code == SASL_CONTINUE) {
		printf("more");
	} else if (code == SASL_OK && sasl_getprop(conn, SASL_USERNAME, &user) == SASL_OK) {
		printf("done %s", (const char *)user);
	} else {
		printf("failed %d %s\n", code, conn ? sasl_errdetail(conn) : "");
		return;
	}
	print_message(message, length);
}

static void step(sasl_conn_t *conn, const char *mechanism, const char *word)
{
	const char *message = NULL;
	unsigned length, said = 0;
	char *response = decode(word, &length);
	int code = mechanism ? sasl_server_start(conn, mechanism, response, length, &message, &said)
			     : sasl_server_step(conn, response, length, &message, &said);
	answer(conn, code, message, said);
	free(response);
}

int main(int argc, char **argv)
{
	static sasl_callback_t callbacks[] = {{SASL_CB_GETOPT, (int (*)(void))option, NULL}, {SASL_CB_LIST_END, NULL, NULL}};
	static char line[16384], mechanism[32], name[64], data[1024], word[8192];
	sasl_conn_t *conn = NULL;
	sasl_channel_binding_t binding;
	char *bound = NULL;

	if (argc != 3)
		return 2;
	sasldb = argv[1], realm = argv[2];
	if (sasl_server_init(callbacks, "interop") != SASL_OK)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof line, stdin)) {
		if (sscanf(line, "start %31s %63s %1023s %8191s", mechanism, name, data, word) == 4) {
			unsigned length;
			sasl_dispose(&conn);
			free(bound);
			bound = decode(data, &length);
			if (sasl_server_new("smtp", realm, realm, NULL, NULL, callbacks, SASL_SUCCESS_DATA, &conn) != SASL_OK)
				return 1;
			if (bound) {
				binding.name = name, binding.critical = 0;
				binding.data = (unsigned char *)bound, binding.len = length;
				sasl_setprop(conn, SASL_CHANNEL_BINDING, &binding);
			}
			step(conn, mechanism, word);
		} else if (sscanf(line, "step %8191s", word) == 1) {
			step(conn, NULL, word);
		} else {
			return 2;
		}
	}
	sasl_dispose(&conn);
	free(bound);
	sasl_done();
	return 0;
}
