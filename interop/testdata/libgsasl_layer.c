/* Both halves of GNU SASL's DIGEST-MD5 with security layers, on standard input and output:
 * libgsasl_layer USER PASSWORD REALM
 *
 * It takes the lines that libsasl2_layer.c takes, and answers in the same way. The library has no ciphers. */
#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 1 << 20 };

static const char *user, *password, *realm;
static char qops[32];
static Gsasl *library;
static Gsasl_session *session;

static int property(Gsasl *ctx, Gsasl_session *s, Gsasl_property which)
{
	switch (which) {
	case GSASL_AUTHID: gsasl_property_set(s, which, user); break;
	case GSASL_PASSWORD: gsasl_property_set(s, which, password); break;
	case GSASL_REALM: gsasl_property_set(s, which, realm); break;
	case GSASL_SERVICE: gsasl_property_set(s, which, "smtp"); break;
	case GSASL_HOSTNAME: gsasl_property_set(s, which, "localhost"); break;
	case GSASL_QOP:
	case GSASL_QOPS: gsasl_property_set(s, which, qops); break;
	default: return GSASL_NO_CALLBACK;
	}
	return GSASL_OK;
}

static void failed(int code) { printf("failed %d %s\n", code, gsasl_strerror(code)); }

static void answer(const char *what, const char *message, size_t length)
{
	char *word = NULL;
	size_t n;
	if (length == 0 || gsasl_base64_to(message, length, &word, &n) != GSASL_OK)
		printf("%s -\n", what);
	else
		printf("%s %.*s\n", what, (int)n, word);
	gsasl_free(word);
}

static char *decode(const char *word, size_t *length)
{
	char *message = NULL;
	*length = 0;
	if (strcmp(word, "-") == 0 || gsasl_base64_from(word, strlen(word), &message, length) != GSASL_OK)
		return NULL;
	return message;
}

static void step(const char *message, size_t length)
{
	char *out = NULL;
	size_t n = 0;
	int code = gsasl_step(session, message, length, &out, &n);
	if (code == GSASL_OK || code == GSASL_NEEDS_MORE)
		answer(code == GSASL_OK ? "done" : "more", out, n);
	else
		failed(code);
	gsasl_free(out);
}

/* convert encodes or decodes. The library leaves it to its caller to know the other side's maxbuf, and so the messages
 * are short. */
static void convert(const char *data, size_t length, int encoding)
{
	static char all[ROOM];
	size_t done = 0, at = 0, part = encoding ? 200 : length;
	do {
		char *out = NULL;
		size_t n = 0, take = length - at < part ? length - at : part;
		int code = encoding ? gsasl_encode(session, data + at, take, &out, &n) : gsasl_decode(session, data + at, take, &out, &n);
		if ((code != GSASL_OK && code != GSASL_NEEDS_MORE) || n > ROOM - done) {
			failed(code);
			return;
		}
		if (n > 0)
			memcpy(all + done, out, n);
		gsasl_free(out);
		done += n, at += take;
	} while (at < length);
	answer("data", all, done);
}

int main(int argc, char **argv)
{
	static char line[2 * ROOM], role[16], qop[16], cipher[16], word[2 * ROOM];
	unsigned maxbuf;
	size_t length;

	if (argc != 4)
		return 2;
	user = argv[1], password = argv[2], realm = argv[3];
	if (gsasl_init(&library) != GSASL_OK)
		return 1;
	gsasl_callback_set(library, property);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof line, stdin)) {
		char *message = NULL;
		if (sscanf(line, "begin %15s %15s %15s %u %s", role, qop, cipher, &maxbuf, word) == 5) {
			int client = strcmp(role, "client") == 0, code;
			snprintf(qops, sizeof qops, "qop-%s", strcmp(qop, "auth") == 0 ? "auth" : qop + 5);
			if (session)
				gsasl_finish(session);
			session = NULL;
			code = client ? gsasl_client_start(library, "DIGEST-MD5", &session)
				      : gsasl_server_start(library, "DIGEST-MD5", &session);
			message = decode(word, &length);
			if (code != GSASL_OK)
				failed(code);
			else
				step(message, length);
		} else if (sscanf(line, "step %s", word) == 1) {
			message = decode(word, &length);
			step(message, length);
		} else if (sscanf(line, "encode %s", word) == 1 || sscanf(line, "decode %s", word) == 1) {
			message = decode(word, &length);
			convert(message, length, line[0] == 'e');
		} else {
			return 2;
		}
		gsasl_free(message);
	}
	if (session)
		gsasl_finish(session);
	gsasl_done(library);
	return 0;
}
