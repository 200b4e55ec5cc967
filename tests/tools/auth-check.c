/* auth-check JWKS ISSUER AUDIENCE: for each token on standard input, one in a line, what
 * auth_check() says: "ok NAME SCOPE…", "refused REASON", "later REASON". After "+SECONDS" so much
 * time has passed for it, and it reads the key set again if that is due. */
#include "auth/auth.h"
#include "util/mem.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

static uint64_t passed_s;

static uint64_t now_us(void *ctx)
{
	(void)ctx;
	return clock_now_us(NULL) + passed_s * 1000000;
}

static int64_t wall_s(void *ctx)
{
	(void)ctx;
	return clock_wall_s(NULL); /* tokens stay valid */
}

static const struct clock ahead = { .now_us = now_us, .wall_s = wall_s };

static struct auth_memo memo; /* all of them come over one connection */

static void pass(struct auth *a, const char *text)
{
	struct err e = ERR_INIT;
	uint64_t s = 0;
	if (parse_u64(text, &s))
		passed_s += s;
	printf("%s\n", auth_reload(a, &e) < 0 ? e.text : "passed");
}

static enum auth_result check(struct auth *a, const char *token, struct auth_who *who,
			      struct err *e)
{
	CLEANUP(mem_free_ptr) char *value = mem_printf("Bearer %s", token);
	enum auth_result r = auth_check(a, value, &memo, who, e);
	if (r != AUTH_WAIT)
		return r;
	auth_refresh(a);
	return auth_check(a, value, &memo, who, e);
}

static void say(struct auth *a, const char *token)
{
	struct err e = ERR_INIT;
	struct auth_who who = { 0 };
	enum auth_result r = check(a, token, &who, &e);
	if (r == AUTH_OK)
		printf("ok %s", who.name);
	else
		printf("%s %s",
		       r == AUTH_REFUSED ? "refused"
		       : r == AUTH_LATER ? "later"
					 : "wait",
		       e.text);
	for (size_t i = 0; i < who.count; i++) {
		CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
		auth_scope_text(&who.scopes[i], &text);
		printf(" %s", buf_str(&text));
	}
	printf("\n");
	fflush(stdout);
	auth_who_release(&who);
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct auth *a = NULL;
	static char line[32 * KIB];
	if (argc != 4)
		return 2;
	struct auth_options o = {
		.jwks = argv[1], .issuer = argv[2], .audience = argv[3], .clock = &ahead
	};
	if (auth_new(&o, &a, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return (int)e.class;
	}
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (*line == '+')
			pass(a, line + 1);
		else
			say(a, line);
		fflush(stdout);
	}
	auth_memo_release(&memo);
	auth_free(a);
	return 0;
}
