#include "util/retry.h"

bool retry_pause(struct retry *r, uint64_t retry_after_s, uint64_t *pause_ms)
{
	uint64_t ceiling = r->base_ms;
	r->tries++;
	if (r->tries >= r->max_tries || retry_after_s > r->max_retry_after_s)
		return false;
	for (unsigned i = 1; i < r->tries && ceiling < r->cap_ms; i++)
		ceiling *= 2;
	uint64_t pause = random_below(r->random, MIN(ceiling, r->cap_ms) + 1);
	*pause_ms = MAX(pause, retry_after_s * 1000);
	return true;
}

int retry_wait(struct retry *r, uint64_t retry_after_s, struct err *e)
{
	uint64_t pause_ms;
	if (!retry_pause(r, retry_after_s, &pause_ms))
		return 1;
	return clock_sleep_ms(r->clock, pause_ms, r->cancel, e);
}

bool retry_again(struct retry *r, struct err *e)
{
	struct err stopped = ERR_INIT;
	if (!err_is_transient(e))
		return false;
	int rc = retry_wait(r, e->retry_after_s, &stopped);
	if (rc < 0)
		*e = stopped;
	else if (rc == 0)
		err_clear(e);
	else if (r->tries < r->max_tries)
		err_hint(e, "the server asks for a pause of %llu seconds: try again later",
			 (unsigned long long)e->retry_after_s);
	return rc == 0;
}

void retry_reset(struct retry *r)
{
	r->tries = 0;
}
