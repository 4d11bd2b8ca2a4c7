/* Asks saslauthd as libsasl does, from many threads at once: socket, connect, one
 * write, one read for the count and one for the text, close.
 *
 * usage: saslauthd_client SOCKET THREADS LOGIN PASSWORD SERVICE REALM
 * Each line of standard input, "ask N", has the threads ask N times in all; the
 * answer is a line with the nanoseconds that each took. A request that is not
 * answered OK ends the program.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_un addr = {.sun_family = AF_UNIX};
static char request[8192];
static size_t length;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void add(const char *field)
{
	size_t n = strlen(field);
	uint16_t count = htons(n);
	if (length + 2 + n > sizeof request)
		fail("request is too long");
	memcpy(request + length, &count, 2);
	memcpy(request + length + 2, field, n);
	length += 2 + n;
}

static void read_all(int fd, void *to, size_t n)
{
	for (size_t have = 0; have < n;) {
		ssize_t got = read(fd, (char *)to + have, n - have);
		if (got < 1)
			fail("read");
		have += got;
	}
}

static void ask(void)
{
	struct iovec whole = {request, length};
	uint16_t count;
	char text[1024];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0)
		fail("socket");
	if (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		fail("connect");
	if (writev(fd, &whole, 1) != (ssize_t)length)
		fail("write");
	read_all(fd, &count, 2);
	count = ntohs(count);
	if (count < 2 || count > sizeof text)
		fail("count");
	read_all(fd, text, count);
	close(fd);
	if (memcmp(text, "OK", 2) != 0)
		fail("refused");
}

static void *ask_times(void *times)
{
	for (long n = *(long *)times; n > 0; n--)
		ask();
	return NULL;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	enum { MOST = 256 };
	pthread_t threads[MOST];
	long total;
	int count;

	if (argc != 7 || (count = atoi(argv[2])) < 1 || count > MOST || strlen(argv[1]) >= sizeof addr.sun_path)
		return 2;
	strcpy(addr.sun_path, argv[1]);
	for (int i = 3; i < argc; i++)
		add(argv[i]);
	while (scanf(" ask %ld", &total) == 1) {
		long each = total / count;
		double start = now();
		for (int i = 0; i < count; i++)
			if (pthread_create(&threads[i], NULL, ask_times, &each) != 0)
				fail("thread");
		for (int i = 0; i < count; i++)
			pthread_join(threads[i], NULL);
		printf("%f\n", (now() - start) / (each * count));
		fflush(stdout);
	}
	return 0;
}
