#include "serve/exchange_internal.h"

#include "unit.h"
#include "util/clock.h"

#include <errno.h>

/* In the place of the server's: a connection is suspended, and then no more. */
static struct {
	struct exchange_lot lot;
	atomic_bool suspended, was_free;
} f;

void MHD_suspend_connection(struct MHD_Connection *connection)
{
	(void)connection;
	f.suspended = true;
}

/* Whoever asks whether the list is empty has to wait for it. */
void MHD_resume_connection(struct MHD_Connection *connection)
{
	(void)connection;
	if (pthread_mutex_trylock(&f.lot.lock) == 0) {
		f.was_free = true;
		pthread_mutex_unlock(&f.lot.lock);
	}
	f.suspended = false;
}

static void nobody_waits_only_once_no_connection_is_suspended(void **state)
{
	struct edge e = { .workers = worker_pool_new(1) };
	struct exchange x = { .lot = &f.lot, .edge = &e };
	struct err ignored = ERR_INIT;
	(void)state;
	exchange_lot_init(&f.lot, &e);
	assert_true(exchange_wait_work(&x, NULL, 0));
	while (exchange_lot_parked(&f.lot))
		(void)!clock_sleep_ms(NULL, 1, NULL, &ignored);
	assert_false(f.suspended);
	assert_false(f.was_free);
	worker_pool_free(e.workers);
	exchange_lot_release(&f.lot);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_waits_only_once_no_connection_is_suspended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
