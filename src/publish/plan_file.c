#include "publish/plan_file.h"

#include "http/url.h"
#include "tuf/name.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* ---- making ---------------------------------------------------------------------- */

/* Does the run write this mirror, or count it? */
static bool takes_part(const struct push_mirror *m)
{
	return m->mirror && mirror_can(m->mirror, MIRROR_CAN_WRITE);
}

static const struct repository_file *snapshot_of(const struct tree *t)
{
	const struct repository_file *found = NULL;
	for (size_t i = 0; i < t->files.count; i++) {
		const struct repository_file *f = &t->files.at[i];
		if (f->class == REPOSITORY_METADATA &&
		    tuf_name_version(path_base(f->key), "snapshot"))
			found = f;
	}
	return found;
}

static char *place_of(const struct push_mirror *m)
{
	return m->mirror->url ? url_redact(m->mirror->url) : mem_strdup("");
}

static json_t *settings_of(const struct push_mirror *m)
{
	json_t *o = json_object();
	const struct conf_section *s = m->settings ? m->settings->section : NULL;
	for (size_t i = 0; s && i < s->count; i++)
		json_put(o, s->values[i].key,
			 json_string_lossy(s->values[i].value, strlen(s->values[i].value)));
	return o;
}

static bool is_planned(const struct push_step *s)
{
	return s->action == STEP_CHECK || s->action == STEP_PUT || s->action == STEP_REPLACE;
}

static void put_step(json_t *o, const struct push_step *s)
{
	json_put_string(o, "key", s->file->key);
	json_put_string(o, "action", push_action_name(s->action));
	json_put_string(o, "because", push_step_reason(s));
	json_put_u64(o, "size", s->file->size);
	json_put_hex(o, "sha256", s->file->sha256.bytes, DIGEST_SIZE);
}

static void put_shown(json_t *o, const struct release *r)
{
	json_put_string(o, "state", release_state_name(r->state));
	if (r->version)
		json_put_u64(o, "version", r->version);
	json_put_string(o, "etag", r->etag);
}

static void put_mirror(json_t *o, const struct push_mirror *m)
{
	CLEANUP(mem_free_ptr) char *place = place_of(m);
	json_put_string(o, "id", m->id);
	json_put_string(o, "kind", m->mirror->ops->kind);
	json_put_string(o, "place", place);
	json_put_string(o, "holds", holds_name(m->holds));
	json_put_bool(o, "stage", m->stage);
	json_put_bool(o, "examined", m->count_only);
	json_put(o, "settings", settings_of(m));
	put_shown(json_put_object(o, "shows"), &m->before);
	json_put_u64(o, "puts", m->plan.puts);
	json_put_u64(o, "put_bytes", m->plan.put_bytes);
	json_put_u64(o, "checks", m->plan.checks);
	json_put_u64(o, "check_bytes", m->plan.check_bytes);
	json_t *steps = json_put_array(o, "steps");
	for (size_t i = 0; i < m->plan.count; i++)
		if (is_planned(&m->plan.steps[i]))
			put_step(json_push_object(steps), &m->plan.steps[i]);
}

json_t *plan_file_make(const struct plan_file_run *run, int64_t now_s)
{
	const struct tree *t = run->tree;
	const struct repository_file *snapshot = snapshot_of(t);
	json_t *o = json_object();
	json_put_string(o, "format", PLAN_FILE_FORMAT);
	json_put_u64(o, "version", 1);
	json_put_time(o, "created", now_s);
	json_put_string(o, "repository", run->repository);
	json_put_u64(o, "release", t->version);
	json_put_hex(o, "timestamp_sha256", t->timestamp->sha256.bytes, DIGEST_SIZE);
	if (snapshot)
		json_put_hex(o, "snapshot_sha256", snapshot->sha256.bytes, DIGEST_SIZE);
	json_put_u64(o, "quorum", run->options->quorum);
	json_put_bool(o, "stage", run->options->stage);
	json_put_bool(o, "recheck", run->options->recheck);
	json_t *only = json_put_array(o, "only");
	for (size_t i = 0; i < run->only_count; i++)
		json_push_string(only, run->only[i]);
	json_t *mirrors = json_put_array(o, "mirrors");
	for (size_t i = 0; i < run->count; i++)
		if (takes_part(&run->mirrors[i]))
			put_mirror(json_push_object(mirrors), &run->mirrors[i]);
	return o;
}

/* ---- comparing ------------------------------------------------------------------- */

void plan_file_moves_release(struct plan_file_moves *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free(m->at[i].mirror);
		free(m->at[i].what);
		free(m->at[i].planned);
		free(m->at[i].now);
	}
	free(m->at);
	*m = (struct plan_file_moves){ 0 };
}

static void moved(struct plan_file_moves *out, const char *mirror, const char *what,
		  const char *planned, const char *now)
{
	out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
	out->at[out->count++] = (struct plan_file_move){
		.mirror = mirror ? mem_strdup(mirror) : NULL,
		.what = mem_strdup(what),
		.planned = mem_strdup(planned),
		.now = mem_strdup(now),
	};
}

static void compare_text(struct plan_file_moves *out, const char *mirror, const char *what,
			 const char *planned, const char *now)
{
	planned = planned ? planned : "";
	now = now ? now : "";
	if (strcmp(planned, now) != 0)
		moved(out, mirror, what, *planned ? planned : "none", *now ? now : "none");
}

static void compare_digest(struct plan_file_moves *out, const char *what,
			   const struct digest *planned, const struct digest *now)
{
	char a[DIGEST_HEX], b[DIGEST_HEX];
	compare_text(out, NULL, what, digest_hex(a, planned), digest_hex(b, now));
}

static void compare_number(struct plan_file_moves *out, const char *what, uint64_t planned,
			   uint64_t now)
{
	CLEANUP(mem_free_ptr) char *a = mem_printf("%llu", (unsigned long long)planned);
	CLEANUP(mem_free_ptr) char *b = mem_printf("%llu", (unsigned long long)now);
	compare_text(out, NULL, what, a, b);
}

static int compare_keys(const void *key, const void *step)
{
	return strcmp(key, ((const struct plan_file_step *)step)->key);
}

static const struct plan_file_step *find_step(const struct plan_file_mirror *p, const char *key)
{
	return p->count ? bsearch(key, p->steps, p->count, sizeof *p->steps, compare_keys) : NULL;
}

/* An interrupted apply may have written a file without having verified it. */
static bool is_as_planned(const struct plan_file_step *p, const struct push_step *s)
{
	return p->size == s->file->size && digest_equal(&p->sha256, &s->file->sha256) &&
	       (p->action == s->action || s->action == STEP_CHECK);
}

static void compare_step(struct plan_file_moves *out, const struct plan_file_mirror *p,
			 const struct push_step *s)
{
	const struct plan_file_step *planned = find_step(p, s->file->key);
	if (!is_planned(s) || (planned && is_as_planned(planned, s)))
		return;
	CLEANUP(mem_free_ptr) char *now = mem_printf("%s (%s)", push_action_name(s->action),
						     push_step_reason(s));
	moved(out, p->id, s->file->key, planned ? push_action_name(planned->action) : "keep", now);
}

static char *shown_text(enum release_state state, uint64_t version, const char *etag)
{
	if (state == RELEASE_NONE || !version)
		return mem_printf("%s%s%s", state == RELEASE_NONE ? "no release" : "damaged",
				  *etag ? " " : "", etag);
	return mem_printf("release %llu%s%s", (unsigned long long)version, *etag ? " " : "", etag);
}

/* An interrupted apply may have shown the release already, if that was planned. */
static void compare_shown(struct plan_file_moves *out, const struct plan_file_mirror *p,
			  const struct release *now)
{
	if (now->state == RELEASE_SAME && find_step(p, RELEASE_TIMESTAMP))
		return;
	CLEANUP(mem_free_ptr) char *was = shown_text(p->state, p->version, p->etag);
	CLEANUP(mem_free_ptr) char *is = shown_text(now->state, now->version, now->etag);
	compare_text(out, p->id, "shows", was, is);
}

static void compare_settings(struct plan_file_moves *out, const struct plan_file_mirror *p,
			     const struct push_mirror *m)
{
	CLEANUP(json_release) json_t *now = settings_of(m);
	const char *key;
	json_t *value;
	json_object_foreach (now, key, value)
		if (!json_equal(json_object_get(p->settings, key), value))
			compare_text(out, p->id, key, json_text(p->settings, key),
				     json_string_value(value));
	json_object_foreach (p->settings, key, value)
		if (!json_object_get(now, key))
			compare_text(out, p->id, key, json_string_value(value), NULL);
}

static void compare_mirror(struct plan_file_moves *out, const struct plan_file_mirror *p,
			   const struct push_mirror *m)
{
	CLEANUP(mem_free_ptr) char *place = place_of(m);
	compare_text(out, p->id, "kind", p->kind, m->mirror->ops->kind);
	compare_text(out, p->id, "place", p->place, place);
	compare_text(out, p->id, "holds", holds_name(p->holds), holds_name(m->holds));
	compare_text(out, p->id, "stage", p->stage ? "yes" : "no", m->stage ? "yes" : "no");
	compare_text(out, p->id, "role", p->examined ? "examined" : "written",
		     m->count_only ? "examined" : "written");
	compare_settings(out, p, m);
	if (err_is(&m->error, ERR_CONFLICT))
		moved(out, p->id, "state", "without a conflict", m->error.text);
	/* One that has failed will not be written. */
	if (m->error.class)
		return;
	compare_shown(out, p, &m->before);
	for (size_t i = 0; i < m->plan.count; i++)
		compare_step(out, p, &m->plan.steps[i]);
}

static const struct push_mirror *find_mirror(const struct plan_file_run *run, const char *id)
{
	for (size_t i = 0; i < run->count; i++)
		if (strcmp(run->mirrors[i].id, id) == 0)
			return &run->mirrors[i];
	return NULL;
}

static void compare_mirrors(struct plan_file_moves *out, const struct plan_file *p,
			    const struct plan_file_run *run)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct push_mirror *m = find_mirror(run, p->mirrors[i].id);
		if (!m || (m->mirror && !takes_part(m)))
			moved(out, p->mirrors[i].id, "mirror", "in the plan", "not configured");
		else if (m->mirror)
			compare_mirror(out, &p->mirrors[i], m);
	}
	for (size_t i = 0; i < run->count; i++) {
		bool found = false;
		for (size_t k = 0; k < p->count; k++)
			found = found || strcmp(p->mirrors[k].id, run->mirrors[i].id) == 0;
		if (!found && (takes_part(&run->mirrors[i]) || !run->mirrors[i].mirror))
			moved(out, run->mirrors[i].id, "mirror", "not in the plan", "configured");
	}
}

static int refuse(const struct plan_file_moves *moves, struct err *e)
{
	const struct plan_file_move *first = &moves->at[0];
	err_set(e, ERR_CONFLICT, "%s%s%s is now %s, but %s in the plan",
		first->mirror ? first->mirror : "", first->mirror ? ": " : "", first->what,
		first->now, first->planned);
	if (moves->count > 1)
		err_context(e, "%zu things have changed since the plan was made; the first",
			    moves->count);
	return err_hint(e, "make a new plan with ferry push --plan FILE, and have it reviewed");
}

int plan_file_compare(const struct plan_file *p, const struct plan_file_run *run,
		      struct plan_file_moves *out, struct err *e)
{
	const struct tree *t = run->tree;
	const struct repository_file *snapshot = snapshot_of(t);
	static const struct digest none = { 0 };
	compare_text(out, NULL, "repository", p->repository, run->repository);
	compare_number(out, "release", p->release, t->version);
	compare_digest(out, "timestamp.json", &p->timestamp, &t->timestamp->sha256);
	compare_digest(out, "snapshot.json", &p->snapshot, snapshot ? &snapshot->sha256 : &none);
	compare_number(out, "quorum", p->quorum, run->options->quorum);
	/* With another release, every file differs. */
	if (!out->count)
		compare_mirrors(out, p, run);
	return out->count ? refuse(out, e) : 0;
}
