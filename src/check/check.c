#include "check/check.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

const char *check_status_name(enum check_status s)
{
	static const char *const names[CHECK_STATUSES] = {
		"ok", "unverified", "missing", "size", "content", "extra", "unreadable", "invalid",
	};
	return names[s];
}

static void item_release(struct check_item *i)
{
	free(i->path);
	free(i->manifest);
	free(i->list);
	free(i->reason);
}

void check_release(struct check *c)
{
	for (size_t i = 0; i < c->count; i++)
		item_release(&c->at[i]);
	free(c->at);
	str_list_release(&c->notes);
	c->at = NULL;
	c->count = c->cap = 0;
}

/* A wrong file is a finding; only a signal ends the check. */
static int judge_error(struct check_item *item, struct err *error, struct err *e)
{
	if (err_is(error, ERR_CANCELLED)) {
		*e = *error;
		return -ERR_CANCELLED;
	}
	item->status = err_is(error, ERR_SYSTEM) ? CHECK_UNREADABLE : CHECK_INVALID;
	free(item->reason);
	item->reason = mem_strdup(error->text);
	return 0;
}

static int quick_look(struct check_item *item, bool size_known, struct err *e)
{
	int fd = -1;
	int rc = file_open_regular(item->path, &fd, &item->verdict.actual_size, e);
	file_close(&fd);
	if (err_is(e, ERR_NOT_FOUND)) {
		err_clear(e);
		item->status = CHECK_MISSING;
		return 0;
	}
	if (rc == 0)
		item->status = size_known && item->verdict.actual_size != item->size
				       ? CHECK_SIZE
				       : CHECK_UNVERIFIED;
	return rc;
}

/* A list has no piece digests; use those of the manifest beside the file if it agrees with the
 * list. */
static int find_piece(struct check_item *item, struct report *report, const struct cancel *cancel,
		      struct err *e)
{
	CLEANUP(manifest_release) struct manifest m = { 0 };
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s%s", item->path, MANIFEST_SUFFIX);
	struct err ignored = ERR_INIT;
	if (!file_exists(path) || manifest_load(path, &m, &ignored) < 0 ||
	    !manifest_is_of(&m, item->verdict.actual_size, &item->listed))
		return 0;
	item->pieces = m.grid.count;
	return manifest_check(&m, item->path, report, cancel, &item->verdict, e);
}

static int look(const struct check *c, struct check_item *item, struct report *report,
		struct err *e)
{
	static const enum check_status statuses[] = {
		[MANIFEST_OK] = CHECK_OK,
		[MANIFEST_MISSING] = CHECK_MISSING,
		[MANIFEST_SIZE] = CHECK_SIZE,
		[MANIFEST_CONTENT] = CHECK_CONTENT,
	};
	CLEANUP(manifest_release) struct manifest m = { 0 };
	int rc = item->manifest ? manifest_load(item->manifest, &m, e) : 0;
	if (rc < 0)
		return rc;
	item->size = m.grid.size;
	item->pieces = m.grid.count;
	if (item->manifest && item->list && !digest_equal(&m.sha256, &item->listed))
		return err_set(e, ERR_INTEGRITY, "%s and %s give it different digests",
			       item->manifest, item->list);
	if (c->quick)
		return quick_look(item, item->manifest != NULL, e);
	struct sums_entry entry = { .name = item->path, .sha256 = item->listed };
	rc = item->manifest ? manifest_check(&m, item->path, report, c->cancel, &item->verdict, e)
			    : sums_check(&entry, item->path, report, c->cancel, &item->verdict, e);
	if (rc == 0)
		item->status = statuses[item->verdict.fault];
	if (rc == 0 && item->status == CHECK_CONTENT && !item->manifest)
		rc = find_piece(item, report, c->cancel, e);
	return rc;
}

static int compare_items(const void *a, const void *b)
{
	const struct check_item *x = a, *y = b;
	return strcmp(x->path, y->path);
}

/* What is wrong with a list or a manifest stays so, whatever else covers the file. */
static bool is_settled(enum check_status s)
{
	return s == CHECK_INVALID || s == CHECK_UNREADABLE;
}

static void compare_lists(struct check_item *into, const struct check_item *from)
{
	if (!into->list || !from->list || is_settled(into->status) ||
	    digest_equal(&into->listed, &from->listed))
		return;
	into->status = CHECK_INVALID;
	free(into->reason);
	into->reason = mem_printf("%s and %s give it different digests", into->list, from->list);
}

static void merge(struct check_item *into, struct check_item *from)
{
	compare_lists(into, from);
	if (!into->manifest)
		into->manifest = STEAL(from->manifest);
	if (!into->list && from->list) {
		into->list = STEAL(from->list);
		into->listed = from->listed;
	}
	if (!is_settled(into->status) && (into->status == CHECK_EXTRA || is_settled(from->status)))
		into->status = from->status;
	if (!into->reason)
		into->reason = STEAL(from->reason);
	item_release(from);
}

/* Merges the items of each path: its manifest and lists; it is an extra only if it has none. */
static void make_unique(struct check *c)
{
	size_t kept = 0;
	if (c->count)
		qsort(c->at, c->count, sizeof *c->at, compare_items);
	for (size_t i = 0; i < c->count; i++) {
		if (kept && strcmp(c->at[kept - 1].path, c->at[i].path) == 0)
			merge(&c->at[kept - 1], &c->at[i]);
		else
			c->at[kept++] = c->at[i];
	}
	c->count = kept;
}

int check_run(struct check *c, struct report *report, struct err *e)
{
	make_unique(c);
	for (size_t i = 0; i < c->count; i++) {
		struct check_item *item = &c->at[i];
		struct err fault = ERR_INIT;
		if (item->status == CHECK_EXTRA || is_settled(item->status))
			continue;
		int rc = cancel_check(c->cancel, e);
		if (rc == 0 && look(c, item, report, &fault) < 0)
			rc = judge_error(item, &fault, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

size_t check_count(const struct check *c, enum check_status status)
{
	size_t count = 0;
	for (size_t i = 0; i < c->count; i++)
		count += c->at[i].status == status;
	return count;
}

bool check_found_fault(const struct check *c)
{
	return check_count(c, CHECK_OK) + check_count(c, CHECK_UNVERIFIED) < c->count;
}
