/* How Cyrus SASL's library reads an application's file: libsasl2_config
 *
 * Reads lines, of words separated by one space: FOLDER KEY...
 * and answers each with what the library makes of FOLDER/smtpd.conf, on one line:
 *   INIT CHECK LIST VALUE...
 * INIT and CHECK are the codes of the initialization and of checking a password that is wrong; LIST is what is offered, with
 * commas, and each VALUE what a KEY is set to, in base64; "-" is none. After a failed initialization there is nothing but INIT.
 * It ends with its input. */
#include <sasl/sasl.h>
#include <stdio.h>
#include <string.h>

const char *sasl_config_getstring(const char *key, const char *none); /* exported, but in no header */

static void print_value(const char *value)
{
	static char word[3 * 4096];
	unsigned length;
	if (value && sasl_encode64(value, strlen(value), word, sizeof word, &length) == SASL_OK)
		printf(" %s", word);
	else
		printf(" -");
}

static int answer(char *folder, char *keys)
{
	sasl_conn_t *conn = NULL;
	const char *list = NULL;
	if (sasl_set_path(SASL_PATH_TYPE_CONFIG, folder) != SASL_OK)
		return -1;
	int code = sasl_server_init(NULL, "smtpd");
	printf("%d", code);
	if (code != SASL_OK)
		return 0;
	if (sasl_server_new("smtp", "mail.example", NULL, NULL, NULL, NULL, 0, &conn) != SASL_OK)
		return -1;
	printf(" %d", sasl_checkpass(conn, "nobody", 6, "pencil", 6));
	if (sasl_listmech(conn, NULL, NULL, ",", NULL, &list, NULL, NULL) != SASL_OK)
		list = NULL;
	printf(" %s", list && *list ? list : "-");
	for (char *key = strtok(keys, " "); key; key = strtok(NULL, " "))
		print_value(sasl_config_getstring(key, NULL));
	sasl_dispose(&conn);
	return 0;
}

int main(void)
{
	static char line[65536];
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		char *keys = strchr(line, ' ');
		if (!keys)
			return 1;
		*keys++ = 0;
		if (answer(line, keys) != 0)
			return 1;
		printf("\n");
		fflush(stdout);
		sasl_done();
	}
	return 0;
}
