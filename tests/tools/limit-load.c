/* limit-load REDIS RATE BURST CLIENT [WAIT-MS]: asks for requests of a client as fast as it can,
 * over this Redis, until standard input ends. For each line on it, and at the end, it prints
 * {"admitted", "refused", "start_us", "now_us", "longest_us", "without_redis", "open", "fault"}:
 * longest_us is the longest time that one question took. */
#include "limit/limit.h"
#include "json/json.h"
#include "util/clock.h"
#include "util/text.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

struct load {
	struct limit *limit;
	struct limit_client *client;
	uint64_t start_us, longest_us;
};

static void request(struct load *l)
{
	struct limit_state s;
	struct err e = ERR_INIT;
	uint64_t from = clock_now_us(NULL);
	enum limit_result r = limit_request(l->limit, l->client, &s);
	if (r == LIMIT_ASK)
		r = limit_ask(l->limit, l->client, &s);
	l->longest_us = MAX(l->longest_us, clock_now_us(NULL) - from);
	if (r == LIMIT_NO && clock_sleep_ms(NULL, 1, NULL, &e) < 0)
		err_clear(&e);
}

static void say(const struct load *l)
{
	struct err e = ERR_INIT;
	struct limit_stats stats;
	CLEANUP(json_release) json_t *document = json_object();
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	limit_stats(l->limit, &stats);
	json_put_u64(document, "admitted", stats.admitted);
	json_put_u64(document, "refused", stats.refused);
	json_put_u64(document, "start_us", l->start_us);
	json_put_u64(document, "now_us", clock_now_us(NULL));
	json_put_u64(document, "longest_us", l->longest_us);
	json_put_u64(document, "without_redis", stats.without_redis);
	json_put_bool(document, "open", stats.open);
	json_put_string(document, "fault", stats.fault);
	if (json_compact(document, &text, &e) == 0)
		printf("%s\n", buf_str(&text));
	fflush(stdout);
}

/* False at its end. */
static bool read_input(const struct load *l)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char c;
	while (poll(&in, 1, 0) > 0) {
		if (read(STDIN_FILENO, &c, 1) <= 0)
			return false;
		if (c == '\n')
			say(l);
	}
	return true;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	uint64_t rate, burst, wait_ms = 0;
	if (argc < 5 || argc > 6 || (argc == 6 && !parse_u64(argv[5], &wait_ms)) ||
	    !parse_u64(argv[2], &rate) || !parse_u64(argv[3], &burst))
		return 2;
	struct limit_options o = { .requests_s = (double)rate,
				   .burst = burst,
				   .redis = argv[1],
				   .redis_wait_ms = (unsigned)wait_ms };
	struct load l = { .start_us = clock_now_us(NULL) };
	if (limit_new(&o, &l.limit, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return (int)e.class;
	}
	l.client = limit_hold(l.limit, argv[4]);
	while (read_input(&l))
		request(&l);
	say(&l);
	limit_free(l.limit);
	return 0;
}
