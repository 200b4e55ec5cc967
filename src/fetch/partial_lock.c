#include "fetch/partial.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <sys/stat.h>

#define STEP_MS 1000
#define ALIVE_MS 5000

void partial_alive(struct partial *p)
{
	uint64_t now_ms = clock_now_ms(p->store->clock);
	if (p->lock_fd < 0 || (p->alive_ms && now_ms - p->alive_ms < ALIVE_MS))
		return;
	p->alive_ms = now_ms;
	/* Where that fails, the others wait less than they could. */
	int ignored = futimens(p->lock_fd, NULL);
	(void)ignored;
}

/* Has the holder shown since the last call that it gets on? */
static bool gets_on(const char *lock, uint64_t *shown_ns)
{
	struct stat st;
	uint64_t now_ns = stat(lock, &st) == 0 ? os_modified_ns(&st) : 0;
	bool on = now_ns != *shown_ns;
	*shown_ns = now_ns;
	return on;
}

static int wait_for(struct partial *p, const char *lock, struct report *report, struct err *e)
{
	CLEANUP(mem_free_ptr) char *holder = file_lock_holder(lock);
	uint64_t shown_ns = 0, since_ms = clock_now_ms(p->store->clock);
	report_note(report, "%s: %s is fetching this file; waiting for it", p->name, holder);
	for (;;) {
		struct err why = ERR_INIT;
		int rc = file_lock(lock, STEP_MS, p->store->cancel, &p->lock_fd, &why);
		if (rc != -ERR_CONFLICT) {
			if (rc < 0)
				*e = why;
			return rc;
		}
		if (gets_on(lock, &shown_ns))
			since_ms = clock_now_ms(p->store->clock);
		else if (clock_now_ms(p->store->clock) - since_ms >= PARTIAL_PATIENCE_MS)
			break;
	}
	report_warn(report,
		    "%s: %s has received nothing for a minute; fetching the file without waiting "
		    "for it",
		    p->name, holder);
	return 0;
}

int partial_lock(struct partial *p, struct report *report, struct err *e)
{
	CLEANUP(mem_free_ptr) char *lock = store_lock_path(p->store, p->pieces.sha256);
	struct err why = ERR_INIT;
	int rc = file_lock(lock, 0, p->store->cancel, &p->lock_fd, &why);
	if (rc == -ERR_CONFLICT)
		return wait_for(p, lock, report, e);
	if (rc < 0)
		*e = why;
	return rc;
}
