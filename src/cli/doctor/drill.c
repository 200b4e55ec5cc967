/*
 * The drill: each mirror has to serve a whole model although all others are switched off. A client
 * with an empty store does it, as on a reader's machine.
 */
#include "cli/doctor/doctor.h"

#include "ferry/client.h"
#include "fetch/fetch.h"
#include "mirror/kinds.h"
#include "settings/access.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define AT_A_TIME 4

struct turn {
	const struct doctor_place *place;
	struct doctor_subject *subject;
	struct err why;
	uint64_t bytes, us;
};

struct choice {
	char *model, *variant;
	uint64_t size;
};

static void choice_release(struct choice *c)
{
	free(c->model);
	free(c->variant);
}

/* The smallest model that can be fetched. */
static int take_smaller(void *ctx, const struct index_model *m, struct err *e)
{
	struct choice *c = ctx;
	(void)e;
	for (size_t i = 0; i < m->variant_count; i++) {
		const struct index_variant *v = &m->variants[i];
		if (m->withdrawn || v->withdrawn || !v->size || (c->model && v->size >= c->size))
			continue;
		choice_release(c);
		*c = (struct choice){ mem_strdup(m->id), mem_strdup(v->id), v->size };
	}
	return 0;
}

/* ---- a reader's machine ---- */

static void copy_repository(struct settings_repository *out, const struct settings_repository *s)
{
	out->name = mem_strdup(s->name);
	out->targets_max = s->targets_max;
	if (s->dir)
		out->root = path_join(s->dir, "metadata/1.root.json");
	else if (s->root)
		out->root = mem_strdup(s->root);
	else if (s->root_sha256)
		out->root_sha256 = mem_strdup(s->root_sha256);
}

/* A mirror without metadata is tried with the metadata of the others. */
static void add_endpoints(struct settings_repository *out, const struct turn *t)
{
	const struct doctor_subject *s = t->subject;
	const struct doctor_place *p = t->place;
	bool own = p->entry && catalog_mirror_has(p->entry, MIRROR_HOLDS_METADATA) &&
		   settings_repository_reads(p->from);
	if (own)
		str_list_add(&out->metadata, p->from);
	for (size_t i = 0; !own && i < s->place_count; i++) {
		const struct catalog_mirror *m = s->places[i].entry;
		if ((!m || catalog_mirror_has(m, MIRROR_HOLDS_METADATA)) &&
		    settings_repository_reads(s->places[i].from))
			str_list_add(&out->metadata, s->places[i].from);
	}
}

/* As client_connect(), but what is learned of the mirrors is not kept for the next fetch. */
static int open_remote(struct client *c, struct err *e)
{
	const struct remote_options options = {
		.strict = true,
		.keeps_nothing = true,
		.only = c->only,
		.cancel = c->cancel,
		.kinds = mirror_kinds_client,
	};
	c->fetch.access = &c->access;
	return remotes_open(&c->repositories, &c->fetch, NULL, &c->store, &options, &c->remotes, e);
}

static int open_client(const struct turn *t, const struct opt_list *only, struct client *c,
		       struct err *e)
{
	struct doctor *d = t->subject->doctor;
	CLEANUP(mem_free_ptr) char *home = mem_printf("%s/%s-%s", d->scratch,
						      t->subject->settings->name, t->place->id);
	struct settings_repository *one = mem_alloc(sizeof *one);
	*c = (struct client){
		.repositories = { .at = one, .count = 1, .cap = 1 },
		.fetch = d->fetch,
		.only = only,
		.cancel = d->quiet.cancel,
	};
	copy_repository(one, t->subject->settings);
	add_endpoints(one, t);
	int rc = settings_access_read(d->conf, &c->access, e);
	/* Statistics leave it out. */
	http_access_program(&c->access, "doctor");
	if (rc == 0)
		rc = store_open(home, &c->store, e);
	c->store.cancel = c->cancel;
	return rc < 0 ? rc : open_remote(c, e);
}

/* ---- one turn ---- */

static int fetch_smallest(struct remote *r, struct turn *t, struct err *e)
{
	CLEANUP(choice_release) struct choice choice = { 0 };
	const struct card *card;
	struct fetch_want want = { .remote = r };
	int rc = remote_each_model(r, take_smaller, &choice, e);
	if (rc == 0 && !choice.model)
		rc = err_set(e, ERR_NOT_FOUND, "the catalog has no model that can be fetched");
	if (rc == 0)
		rc = remote_model(r, choice.model, &card, e);
	if (rc < 0)
		return rc;
	want.model = card;
	want.variant = card_variant(card, choice.variant);
	if (!want.variant)
		return err_set(e, ERR_INTEGRITY, "index and card of %s differ", choice.model);
	rc = fetch_variants(&want, 1, NULL, NULL, e);
	if (rc == 0 && want.why.class) {
		*e = want.why;
		rc = -(int)e->class;
	}
	t->bytes = want.result.fetched;
	fetch_result_release(&want.result);
	return rc;
}

static void run_turn(void *ctx, size_t i)
{
	struct turn *t = &((struct turn *)ctx)[i];
	const char *id = t->place->id;
	struct opt_list only = { .at = &id, .count = 1 };
	CLEANUP(client_release) struct client c = { 0 };
	uint64_t start_us = clock_now_us(NULL);
	int rc = open_client(t, &only, &c, &t->why);
	if (rc == 0 && c.remotes.count)
		rc = fetch_smallest(c.remotes.at[0], t, &t->why);
	t->us = clock_now_us(NULL) - start_us;
}

/* ---- the check ---- */

static void tell_turn(struct doctor_result *r, const struct turn *t)
{
	char size[SIZE_TEXT];
	if (t->why.class)
		doctor_detail_error(r, t->place->id, &t->why);
	else
		doctor_detail(r, "%s: %s in %llu.%llu s", t->place->id, format_size(size, t->bytes),
			      (unsigned long long)t->us / 1000000,
			      (unsigned long long)t->us / 100000 % 10);
}

static int judge_turns(struct turn *turns, size_t count, struct doctor_result *r, struct err *e)
{
	size_t bad = 0;
	for (size_t i = 0; i < count; i++) {
		if (err_is(&turns[i].why, ERR_CANCELLED)) {
			*e = turns[i].why;
			return -ERR_CANCELLED;
		}
		tell_turn(r, &turns[i]);
		bad += turns[i].why.class != 0;
	}
	if (bad)
		doctor_fail(r, "%zu of %zu mirror%s not serve a model without the others", bad,
			    count, count == 1 ? " does" : "s do");
	else if (count == 1)
		doctor_skip(r, "there is only one mirror, and it serves a model");
	else
		doctor_pass(r, "each of %zu mirrors serves a model without the others", count);
	for (size_t i = 0; i < count; i++)
		if (turns[i].why.class)
			doctor_next(r, "ferry verify --mirror %s", turns[i].place->id);
	return 0;
}

int doctor_check_fallbacks(struct doctor *d, struct doctor_subject *subject,
			   struct doctor_result *r, struct err *e)
{
	size_t count = 0;
	int rc = readers_places(subject, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) struct turn *turns =
		mem_alloc((subject->place_count + 1) * sizeof *turns);
	for (size_t i = 0; i < subject->place_count; i++) {
		const struct doctor_place *p = &subject->places[i];
		if (p->entry && p->entry->holds != MIRROR_HOLDS_METADATA &&
		    !mirror_entry_is_of_others(mirror_kinds_all, p->entry))
			turns[count++] = (struct turn){ .place = p, .subject = subject };
	}
	if (!count) {
		doctor_skip(r, "no mirror for readers is known");
		return 0;
	}
	if (!d->o->drill) {
		doctor_skip(r,
			    "not tried: it downloads the smallest model from each of %zu mirror%s",
			    count, count == 1 ? "" : "s");
		doctor_next(r, "ferry doctor --drill fallbacks");
		return 0;
	}
	threads_run(AT_A_TIME, count, run_turn, turns);
	return judge_turns(turns, count, r, e);
}
