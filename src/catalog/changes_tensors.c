#include "catalog/changes_internal.h"

#include "util/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define TYPES_SAID 3
#define TYPES_COUNTED 64 /* more than there are */

/* ---- the tensors of all files, by name ---- */

static int compare(const void *a, const void *b)
{
	const struct manifest_tensor *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

static const struct manifest_tensor **sorted(const struct changes_side *s)
{
	const struct manifest_tensor **all = mem_alloc((s->tensors + 1) * sizeof *all);
	size_t n = 0;
	for (size_t i = 0; i < s->count; i++)
		for (size_t k = 0; k < s->manifests[i].tensor_count; k++)
			all[n++] = &s->manifests[i].tensors[k];
	qsort(all, n, sizeof(struct manifest_tensor *), compare);
	return all;
}

/* ---- those that differ ---- */

struct new_type {
	const char *name;
	size_t count;
};

struct difference {
	size_t total; /* of the later version */
	struct changes_names added, removed, reshaped, changed;
	struct new_type types[TYPES_COUNTED]; /* of tensors that had another */
	size_t type_count, retyped;
};

static void difference_release(struct difference *d)
{
	changes_names_release(&d->added);
	changes_names_release(&d->removed);
	changes_names_release(&d->reshaped);
	changes_names_release(&d->changed);
}

static void note_type(struct difference *d, const char *name)
{
	size_t i = 0;
	while (i < d->type_count && strcmp(d->types[i].name, name) != 0)
		i++;
	d->retyped++;
	if (i < d->type_count)
		d->types[i].count++;
	else if (i < TYPES_COUNTED)
		d->types[d->type_count++] = (struct new_type){ name, 1 };
}

static void compare_pair(struct difference *d, const struct manifest_tensor *a,
			 const struct manifest_tensor *b)
{
	bool shape = a->dimensions == b->dimensions &&
		     memcmp(a->shape, b->shape, sizeof a->shape) == 0;
	if (!shape)
		changes_name(&d->reshaped, b->name);
	else if (strcmp(a->type, b->type) != 0)
		note_type(d, b->type);
	else if (!digest_equal(&a->sha256, &b->sha256))
		changes_name(&d->changed, b->name);
}

static void compare_all(struct difference *d, const struct changes_side *before,
			const struct changes_side *after)
{
	CLEANUP(mem_free_ptr) const struct manifest_tensor **a = sorted(before);
	CLEANUP(mem_free_ptr) const struct manifest_tensor **b = sorted(after);
	size_t i = 0, k = 0;
	d->total = after->tensors;
	while (i < before->tensors || k < after->tensors) {
		int order = i == before->tensors  ? 1
			    : k == after->tensors ? -1
						  : strcmp(a[i]->name, b[k]->name);
		if (order < 0)
			changes_name(&d->removed, a[i++]->name);
		else if (order > 0)
			changes_name(&d->added, b[k++]->name);
		else
			compare_pair(d, a[i++], b[k++]);
	}
}

/* ---- in words ---- */

#define PART 64

/* "12 of 291 tensors", "all 291 tensors" */
static const char *part_of(char out[PART], size_t count, size_t total)
{
	if (count < total)
		snprintf(out, PART, "%zu of %zu tensors", count, total);
	else if (total == 1)
		snprintf(out, PART, "1 tensor");
	else
		snprintf(out, PART, "all %zu tensors", total);
	return out;
}

static void say_counted(json_t *out, struct changes_names *n, const char *what)
{
	if (n->count)
		changes_say(out, "%zu tensor%s %s %s: %s.", n->count, n->count == 1 ? "" : "s",
			    n->count == 1 ? "was" : "were", what, changes_names(n));
}

static void say_of(json_t *out, struct changes_names *n, size_t total, const char *what)
{
	char part[PART];
	if (n->count && n->count == total)
		changes_say(out, "The %s of %s changed.", what, part_of(part, n->count, total));
	else if (n->count)
		changes_say(out, "The %s of %s changed: %s.", what, part_of(part, n->count, total),
			    changes_names(n));
}

static int most_first(const void *a, const void *b)
{
	const struct new_type *x = a, *y = b;
	return x->count != y->count ? (x->count < y->count) - (x->count > y->count)
				    : strcmp(x->name, y->name);
}

static void say_type(json_t *out, const struct new_type *t, size_t total)
{
	CLEANUP(mem_free_ptr) char *name = mem_strdup(t->name);
	char part[PART];
	for (char *p = name; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	part_of(part, t->count, total);
	part[0] = (char)toupper((unsigned char)part[0]);
	changes_say(out, "%s %s now %s.", part, t->count == 1 ? "is" : "are", name);
}

static void say_types(json_t *out, struct difference *d)
{
	size_t others = d->retyped;
	qsort(d->types, d->type_count, sizeof d->types[0], most_first);
	for (size_t i = 0; i < d->type_count && i < TYPES_SAID; i++) {
		say_type(out, &d->types[i], d->total);
		others -= d->types[i].count;
	}
	if (others)
		changes_say(out, "%zu more tensor%s another type than before.", others,
			    others == 1 ? " has" : "s have");
}

static bool is_same(const struct difference *d)
{
	return !d->added.count && !d->removed.count && !d->reshaped.count && !d->changed.count &&
	       !d->retyped;
}

bool changes_tensors(json_t *out, const struct changes_side *before,
		     const struct changes_side *after)
{
	CLEANUP(difference_release)
	struct difference d = {
		.added = CHANGES_NAMES_INIT,
		.removed = CHANGES_NAMES_INIT,
		.reshaped = CHANGES_NAMES_INIT,
		.changed = CHANGES_NAMES_INIT,
	};
	if (MAX(before->tensors, after->tensors) > CHANGES_MAX_TENSORS)
		return false;
	compare_all(&d, before, after);
	say_types(out, &d);
	say_counted(out, &d.added, "added");
	say_counted(out, &d.removed, "removed");
	say_of(out, &d.reshaped, d.total, "shape");
	say_of(out, &d.changed, d.total, "values");
	if (is_same(&d) && d.total)
		changes_say(out, "The tensors are the same as before.");
	return is_same(&d);
}
