#include "cli/doctor/doctor.h"

#include "publish/tree_pack.h"
#include "publish/tree_places.h"
#include "settings/health.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define MIRRORS_AT_A_TIME 8

/* Who comes first finds it out; the others wait, and get the same. */
static bool is_first(struct doctor_fact *f)
{
	pthread_mutex_lock(&f->lock);
	return !f->known;
}

static int answer(struct doctor_fact *f, struct err *e)
{
	f->known = true;
	pthread_mutex_unlock(&f->lock);
	if (f->why.class)
		*e = f->why;
	return -(int)f->why.class;
}

int facts_once(struct doctor_fact *f, struct doctor_subject *s, facts_find_fn *find, struct err *e)
{
	if (is_first(f))
		(void)!find(s, &f->why);
	return answer(f, e);
}

/* ---- the tree ---- */

bool facts_was_signed(const struct doctor_subject *s)
{
	CLEANUP(mem_free_ptr) char *path = path_join(s->settings->dir, RELEASE_TIMESTAMP);
	return file_exists(path);
}

static int open_tree(struct doctor_subject *s, struct err *e)
{
	int rc = tree_open(s->settings->dir, &s->tree, e);
	s->tree.cancel = s->doctor->quiet.cancel;
	return rc;
}

int facts_tree(struct doctor_subject *s, struct err *e)
{
	return facts_once(&s->tree_fact, s, open_tree, e);
}

static int read_roles(struct doctor_subject *s, struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = NULL;
	int rc = writer_look(s->settings->dir, s->doctor->now_s, &w, e);
	if (rc == 0)
		rc = writer_status_take(w, &s->roles, e);
	if (rc < 0 || s->roles.count)
		return rc;
	err_set(e, ERR_NOT_FOUND, "%s: the repository has not been signed", s->settings->dir);
	return err_hint(e, "run `ferry catalog init` to make its keys and root");
}

int facts_roles(struct doctor_subject *s, struct err *e)
{
	return facts_once(&s->roles_fact, s, read_roles, e);
}

/* ---- what the mirrors hold ---- */

/* Readers ask it before `than`. */
static bool is_before(const struct settings_mirror *m, const struct settings_mirror *than)
{
	bool serves = m->holds != MIRROR_HOLDS_METADATA;
	bool other = than && than->holds != MIRROR_HOLDS_METADATA;
	return serves && (!other || m->priority < than->priority);
}

static void add_mirror(struct doctor_subject *s, const struct mirrors_entry *p,
		       const struct settings_mirror **first)
{
	size_t at = s->mirror_count++;
	s->mirrors[at] = (struct verify_mirror){
		.id = p->settings->id,
		.kind = *publisher_kind(p) ? publisher_kind(p) : NULL,
		.mirror = p->mirror,
		.holds = p->settings->holds,
		.error = p->error,
	};
	if (!is_before(p->settings, *first))
		return;
	*first = p->settings;
	s->primary = at;
}

static int open_mirrors(struct doctor_subject *s, struct err *e)
{
	const struct publisher_opts who = {
		.name = s->settings->name,
		.as_reader = true,
		.keeps_nothing = true,
	};
	int rc = publisher_open(&s->doctor->quiet, &who, true, true, &s->publisher, e);
	if (rc < 0)
		return rc;
	const struct mirrors *places = &s->publisher.places;
	const struct settings_mirror *first = NULL;
	s->mirrors = mem_alloc((places->count + 1) * sizeof *s->mirrors);
	for (size_t i = 0; rc == 0 && i < places->count; i++) {
		if (places->at[i].settings->stage)
			continue;
		add_mirror(s, &places->at[i], &first);
		if (places->at[i].mirror)
			rc = tree_pack_for(&s->pushed, places->at[i].mirror, e);
		if (rc == 0 && places->at[i].mirror)
			rc = tree_places_for(&s->pushed, places->at[i].mirror, e);
	}
	return rc;
}

/* Faults of the mirrors are what the checks look at. */
static int verify(struct doctor_subject *s, struct err *e)
{
	struct retry retry = RETRY_DEFAULT;
	struct err found = ERR_INIT;
	const struct verify_options how = {
		.mode = VERIFY_QUICK,
		.now_s = s->doctor->now_s,
		.threads = MIRRORS_AT_A_TIME,
		.retry = &retry,
		.cancel = s->doctor->quiet.cancel,
	};
	retry.max_tries = 2;
	retry.cancel = how.cancel;
	int rc = tree_open(s->settings->dir, &s->pushed, e);
	s->pushed.cancel = how.cancel;
	if (rc == 0)
		rc = open_mirrors(s, e);
	if (rc < 0)
		return rc;
	rc = verify_run(&s->pushed, s->mirrors, s->mirror_count, &how, &found);
	/* At the deadline, what is known of the mirrors that have answered counts. */
	if (rc != -ERR_CANCELLED || deadline_passed(&s->doctor->deadline))
		return 0;
	*e = found;
	return rc;
}

int facts_verify(struct doctor_subject *s, struct err *e)
{
	return facts_once(&s->verify_fact, s, verify, e);
}

/* ---- what readers see ---- */

static int look(struct doctor_subject *s, struct err *e)
{
	struct doctor *d = s->doctor;
	CLEANUP(settings_health_release) struct settings_health settings = { 0 };
	int rc = settings_health_read(d->conf, &settings, e);
	uint64_t left_s = deadline_left_ms(&d->deadline) / 1000;
	if (rc < 0)
		return rc;
	settings.deadline_s = MAX(1, MIN(settings.deadline_s, left_s));
	settings.objects = 0; /* verify looks at all of them */
	const struct health_run_options o = {
		.conf = d->conf,
		.repository = s->settings,
		.settings = &settings,
		.no_audit = true,
		.state_dir = d->scratch,
		.now_s = d->now_s,
		.cancel = d->quiet.cancel,
	};
	return health_run(&o, &s->history, &s->health, e);
}

int facts_health(struct doctor_subject *s, struct err *e)
{
	return facts_once(&s->health_fact, s, look, e);
}

/* ---- what this machine has fetched ---- */

/* A store that is not there yet is not made. */
static int recall(struct doctor *d, struct err *e)
{
	CLEANUP(mem_free_ptr) char *home = NULL;
	struct err unknown = ERR_INIT;
	int rc = store_home(&home, e);
	if (rc < 0 || !file_exists(home))
		return rc;
	rc = store_open(home, &d->client.store, e);
	d->client.store.by_size = true;
	d->client.cancel = d->quiet.cancel;
	if (rc == 0)
		rc = session_settings(&d->quiet, &d->client.repositories, &d->client.fetch,
				      &d->client.access, e);
	/* Where nothing was verified yet, nothing is known. */
	if (rc == 0 && client_recall(&d->client, NULL, &d->client.remotes, &unknown) < 0 &&
	    err_is(&unknown, ERR_CANCELLED)) {
		*e = unknown;
		rc = -ERR_CANCELLED;
	}
	return rc;
}

int facts_client(struct doctor *d, struct err *e)
{
	struct doctor_fact *f = &d->client_fact;
	if (is_first(f))
		(void)!recall(d, &f->why);
	return answer(f, e);
}

/* ---- all ---- */

void facts_init(struct doctor_subject *s)
{
	struct doctor_fact *const all[] = { &s->tree_fact,   &s->roles_fact,  &s->verify_fact,
					    &s->health_fact, &s->places_fact, &s->probes_fact };
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		pthread_mutex_init(&all[i]->lock, NULL);
}

void facts_release(struct doctor_subject *s)
{
	for (size_t i = 0; i < s->mirror_count; i++)
		verify_mirror_release(&s->mirrors[i]);
	free(s->mirrors);
	health_report_release(&s->health);
	health_history_release(&s->history);
	publisher_release(&s->publisher);
	writer_statuses_release(&s->roles);
	tree_release(&s->pushed);
	tree_release(&s->tree);
}
