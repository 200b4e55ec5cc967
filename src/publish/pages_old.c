#include "publish/pages_old.h"

#include <stdlib.h>
#include <string.h>

/* "site/assets/search.<digest>.json": what is before the digest, and what is behind it. */
struct stem {
	size_t len;
	const char *ending;
};

static struct stem stem_of(const char *key)
{
	const char *ending = strrchr(key, '.');
	struct stem s = { strlen(key), "" };
	for (const char *c = ending; c && c > key && c[-1] != '/'; c--)
		if (c[-1] == '.')
			return (struct stem){ (size_t)(c - 1 - key), ending };
	return s;
}

static int compare_stems(const char *a, const char *b)
{
	struct stem x = stem_of(a), y = stem_of(b);
	int order = memcmp(a, b, MIN(x.len, y.len));
	if (order == 0 && x.len != y.len)
		order = x.len < y.len ? -1 : 1;
	return order ? order : strcmp(x.ending, y.ending);
}

static int compare(const void *a, const void *b)
{
	const struct pages_left *x = a, *y = b;
	int order = compare_stems(x->key, y->key);
	if (order == 0 && x->modified_s != y->modified_s)
		order = x->modified_s < y->modified_s ? -1 : 1;
	if (order == 0 && x->current != y->current)
		order = x->current ? 1 : -1; /* the one that replaced it in the same second */
	return order ? order : strcmp(x->key, y->key);
}

void pages_old_find(struct pages_left *all, size_t count, int64_t index_s)
{
	int64_t later_s = 0;  /* when the next one was sent */
	bool current = false; /* is one of the same second of this build? */
	if (count)
		qsort(all, count, sizeof *all, compare);
	for (size_t i = count; i-- > 0;) {
		struct pages_left *f = &all[i];
		bool alone = i + 1 == count || compare_stems(f->key, f[1].key) != 0;
		if (alone)
			later_s = 0;
		else if (f->modified_s < f[1].modified_s)
			later_s = f[1].modified_s;
		current = f->current || (current && !alone && f->modified_s == f[1].modified_s);
		int64_t replaced_s = current ? f->modified_s : later_s ? later_s : index_s;
		f->since_s = !str_starts(f->key, PAGES_PREFIX PAGES_ASSETS)
				     ? f->modified_s
				     : MAX(replaced_s, f->modified_s);
	}
}
