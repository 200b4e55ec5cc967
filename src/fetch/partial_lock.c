/* Which names a process uses for an unfinished file, so that no other one writes to the same. */
#include "fetch/partial.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP_MS 100
#define ALIVE_MS 5000

void partial_alive(struct partial *p)
{
	unsigned long long now_ms = clock_now_ms(p->store->clock);
	unsigned long long last_ms = atomic_load(&p->alive_ms);
	if (p->lock_fd < 0 || (last_ms && now_ms - last_ms < ALIVE_MS))
		return;
	/* One thread is enough. */
	if (atomic_compare_exchange_strong(&p->alive_ms, &last_ms, now_ms))
		store_partial_sign(p->lock_fd);
}

/* -- waiting ------------------------------------------------------------------------------- */

/* Has the holder shown since the last call that it gets on? */
static bool gets_on(const char *lock, uint64_t *shown_ns)
{
	struct stat st;
	uint64_t now_ns = stat(lock, &st) == 0 ? os_modified_ns(&st) : 0;
	bool on = now_ns != *shown_ns;
	*shown_ns = now_ns;
	return on;
}

/* *works stays true, and there is no lock, if the holder does not get on. */
static int wait_for(struct partial *p, const struct store_partial *usual, struct report *report,
		    bool *works, struct err *e)
{
	CLEANUP(mem_free_ptr) char *holder = store_partial_holder(usual);
	uint64_t shown_ns = 0, since_ms = clock_now_ms(p->store->clock);
	report_note(report, "%s: %s is fetching this file; waiting for it", p->name, holder);
	while (clock_now_ms(p->store->clock) - since_ms < PARTIAL_PATIENCE_MS) {
		struct err why = ERR_INIT;
		int rc = store_partial_lock(p->store, usual, &p->lock_fd, works, &why);
		if (rc == 0)
			return 0;
		if (rc != -ERR_CONFLICT) {
			*e = why;
			return rc;
		}
		rc = clock_sleep_ms(p->store->clock, STEP_MS, p->store->cancel, e);
		if (rc < 0)
			return rc;
		if (gets_on(usual->lock, &shown_ns))
			since_ms = clock_now_ms(p->store->clock);
	}
	report_warn(report,
		    "%s: %s has received nothing for a minute; fetching the file without waiting "
		    "for it: what it has is downloaded a second time",
		    p->name, holder);
	return 0;
}

/* -- taking over --------------------------------------------------------------------------- */

static bool is_mine(const struct partial *p, const struct store_partial *x)
{
	return strcmp(x->id, p->names.id) == 0;
}

/* Takes over what a process left that is gone, with its name. */
static bool take(const struct store *s, const struct store_partial *from,
		 const struct store_partial *to)
{
	CLEANUP(file_close) int fd = -1;
	struct err ignored = ERR_INIT;
	bool works;
	if (store_partial_lock(s, from, &fd, &works, &ignored) < 0 ||
	    (!works && store_partial_is_held(s, from)) || !store_partial_rename(from, to))
		return false;
	unlink(from->lock);
	return true;
}

/* The one that has most; NULL when it is that of this process. */
static const struct store_partial *most(const struct partial *p, const struct store_partials *all)
{
	const struct store_partial *found = NULL;
	for (size_t i = 0; i < all->count; i++) {
		const struct store_partial *x = &all->at[i];
		bool more = x->exists && (!found || x->there > found->there);
		if (more && (is_mine(p, x) || !store_partial_is_held(p->store, x)))
			found = x;
	}
	return found && !is_mine(p, found) ? found : NULL;
}

static void take_most(struct partial *p)
{
	CLEANUP(store_partials_release) struct store_partials all = { 0 };
	CLEANUP(store_partial_release) struct store_partial aside = { 0 };
	struct err ignored = ERR_INIT;
	if (store_partials_list(p->store, p->pieces.sha256, &all, &ignored) < 0)
		return;
	const struct store_partial *found = most(p, &all);
	if (!found)
		return;
	/* What has less stays, under another name, until the file is whole. */
	store_partial_init(p->store, p->pieces.sha256, NULL, &aside);
	if (!file_exists(p->names.part) || store_partial_rename(&p->names, &aside))
		(void)!take(p->store, found, &p->names);
}

/* -- choosing ------------------------------------------------------------------------------ */

static void tell_others(const struct partial *p, struct report *report)
{
	CLEANUP(store_partials_release) struct store_partials all = { 0 };
	struct err ignored = ERR_INIT;
	if (store_partials_list(p->store, p->pieces.sha256, &all, &ignored) < 0)
		return;
	for (size_t i = 0; i < all.count; i++) {
		CLEANUP(mem_free_ptr) char *holder = store_partial_holder(&all.at[i]);
		if (is_mine(p, &all.at[i]) || !store_partial_is_held(p->store, &all.at[i]))
			continue;
		report_warn(report,
			    "%s: %s is fetching this file, too, and the file system of %s has no "
			    "locks that work: it is downloaded twice",
			    p->name, holder, p->store->home);
	}
}

int partial_lock(struct partial *p, struct report *report, struct err *e)
{
	CLEANUP(store_partial_release) struct store_partial usual = { 0 };
	struct err why = ERR_INIT;
	bool works = true;
	store_partial_init(p->store, p->pieces.sha256, "", &usual);
	int rc = store_partial_lock(p->store, &usual, &p->lock_fd, &works, &why);
	if (rc == -ERR_CONFLICT)
		rc = wait_for(p, &usual, report, &works, e);
	else if (rc < 0)
		*e = why;
	if (rc < 0)
		return rc;
	store_partial_init(p->store, p->pieces.sha256, p->lock_fd >= 0 ? "" : NULL, &p->names);
	if (p->lock_fd < 0)
		rc = store_partial_own(p->store, &p->names, &p->lock_fd, e);
	if (rc == 0 && !works)
		tell_others(p, report);
	if (rc == 0)
		take_most(p);
	return rc;
}
