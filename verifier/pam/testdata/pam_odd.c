/* A module that does what its first argument says. It wants "secret" as the password. */
#define _GNU_SOURCE
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int asked(pam_handle_t *pamh, int style, const char *prompt, const char *want)
{
	char *answer = NULL;
	int status = pam_prompt(pamh, style, &answer, "%s", prompt);
	if (status != PAM_SUCCESS)
		return status;
	status = answer && strcmp(answer, want) == 0 ? PAM_SUCCESS : PAM_AUTH_ERR;
	free(answer);
	return status;
}

static int says(pam_handle_t *pamh, const char *text, int times)
{
	while (times-- > 0) {
		int status = pam_prompt(pamh, times % 2 ? PAM_TEXT_INFO : PAM_ERROR_MSG, NULL, "%s", text);
		if (status != PAM_SUCCESS)
			return status;
	}
	return PAM_SUCCESS;
}

static int does(pam_handle_t *pamh, const char *what)
{
	char *huge;
	const void *item = NULL;

	if (strcmp(what, "abort") == 0)
		abort();
	if (strcmp(what, "crash") == 0)
		*(volatile int *)8 = 1;
	if (strcmp(what, "exit") == 0)
		exit(0);
	if (strcmp(what, "loop") == 0)
		for (;;)
			;
	if (strcmp(what, "stop") == 0)
		for (;;)
			pause();
	if (strcmp(what, "output") == 0) {
		char noise[4096];
		memset(noise, 1, sizeof noise);
		for (int i = 0; i < 64; i++)
			if (write(1, noise, sizeof noise) < 0 || write(2, noise, sizeof noise) < 0)
				return PAM_SYSTEM_ERR;
		return PAM_SUCCESS;
	}
	if (strcmp(what, "input") == 0)
		return getchar() == EOF ? PAM_SUCCESS : PAM_SYSTEM_ERR;
	if (strcmp(what, "become") == 0)
		return setgid(65534) || setuid(65534) ? PAM_SYSTEM_ERR : PAM_SUCCESS;
	if (strcmp(what, "become-half") == 0)
		return seteuid(65534) ? PAM_SYSTEM_ERR : PAM_SUCCESS;
	if (strcmp(what, "second-factor") == 0)
		return asked(pamh, PAM_PROMPT_ECHO_OFF, "Verification code: ", "123456");
	if (strcmp(what, "second-factor-shown") == 0)
		return asked(pamh, PAM_PROMPT_ECHO_ON, "Verification code: ", "123456");
	if (strcmp(what, "ask-again") == 0)
		return asked(pamh, PAM_PROMPT_ECHO_OFF, "Password: ", "secret");
	if (strcmp(what, "ask-name") == 0)
		return asked(pamh, PAM_PROMPT_ECHO_ON, "login: ", "alice");
	if (strcmp(what, "chatter") == 0)
		return says(pamh, "welcome", 90);
	if (strcmp(what, "chatter-on") == 0)
		return says(pamh, "welcome", 1000000);
	if (strcmp(what, "huge") == 0) {
		if (!(huge = malloc(64 << 20)))
			return PAM_BUF_ERR;
		memset(huge, 'x', 64 << 20);
		huge[(64 << 20) - 1] = 0;
		return pam_prompt(pamh, PAM_TEXT_INFO, NULL, "%s", huge);
	}
	if (strcmp(what, "map") == 0)
		return pam_set_item(pamh, PAM_USER, "mapped");
	if (strcmp(what, "map-badly") == 0)
		return pam_set_item(pamh, PAM_USER, "two\nlines");
	if (strcmp(what, "map-long") == 0) {
		if (!(huge = calloc(1, 100001)))
			return PAM_BUF_ERR;
		memset(huge, 'x', 100000);
		return pam_set_item(pamh, PAM_USER, huge);
	}
	if (strcmp(what, "from") == 0) {
		pam_get_item(pamh, PAM_RHOST, &item);
		return pam_set_item(pamh, PAM_USER, item ? item : "nowhere");
	}
	if (strcmp(what, "delay") == 0) {
		pam_fail_delay(pamh, 3600u * 1000000u);
		return PAM_AUTH_ERR;
	}
	if (strcmp(what, "disturb") == 0) {
		umask(0777);
		if (chdir("/proc") || setenv("LANG", "tlh", 1))
			return PAM_SYSTEM_ERR;
		return PAM_SUCCESS;
	}
	if (strcmp(what, "leave-child") == 0) { /* which holds all descriptors, until nobody asks any more */
		pid_t pid = fork();
		if (pid == 0) {
			char c;
			_exit(read(3, &c, 1) != 0);
		}
		FILE *f = fopen("/proc/self/oom_score", "r"); /* and leaks one */
		return f && pid > 0 ? (abort(), PAM_ABORT) : PAM_SYSTEM_ERR;
	}
	return atoi(what); /* a code */
}

PAM_EXTERN int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	int status = asked(pamh, PAM_PROMPT_ECHO_OFF, "Password: ", "secret");
	if (status != PAM_SUCCESS || argc < 1)
		return status;
	return does(pamh, argv[0]);
}

PAM_EXTERN int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return argc < 1 ? PAM_SUCCESS : does(pamh, argv[0]);
}

PAM_EXTERN int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv) { return PAM_SUCCESS; }
