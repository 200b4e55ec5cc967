#include "publish/publication.h"

#include "catalog/notes.h"
#include "util/mem.h"

#include <string.h>

void publication_release(struct publication *p)
{
	for (size_t i = 0; i < p->count; i++) {
		card_release(&p->models[i].card);
		free(p->models[i].notes);
	}
	free(p->models);
	catalog_release(&p->head);
	*p = (struct publication){ 0 };
}

/* ---- reading -------------------------------------------------------------------- */

static int load_head(const struct tree *t, const struct repository_file *f, struct publication *p,
		     struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(CATALOG_HEAD_MAX_BYTES);
	int rc = tree_read_small(t, f, &text, e);
	return rc < 0 ? rc : catalog_parse(buf_str(&text), text.len, f->key, &p->head, e);
}

static int load_card(const struct tree *t, const struct repository_file *f, struct publication *p,
		     struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(CARD_MAX_BYTES);
	struct card card;
	int rc = tree_read_small(t, f, &text, e);
	if (rc == 0)
		rc = card_parse(buf_str(&text), text.len, f->key, &card, e);
	if (rc < 0)
		return rc;
	p->models = mem_grow(p->models, p->count, &p->cap, sizeof *p->models);
	p->models[p->count++] = (struct publication_model){
		.card = card,
		.notes = notes_of_model(&card),
	};
	return 0;
}

static int compare_models(const void *a, const void *b)
{
	const struct publication_model *x = a, *y = b;
	return strcmp(x->card.id, y->card.id);
}

int publication_load(const struct tree *t, bool with_models, struct publication *out, struct err *e)
{
	CLEANUP(publication_release) struct publication p = { 0 };
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < t->files.count; i++) {
		const struct repository_file *f = &t->files.at[i];
		CLEANUP(mem_free_ptr) char *path = tree_target_path(f);
		if (path && strcmp(path, CATALOG_HEAD_TARGET) == 0)
			rc = load_head(t, f, &p, e);
		else if (path && with_models && str_starts(path, CARD_TARGETS) &&
			 str_ends(path, CARD_SUFFIX))
			rc = load_card(t, f, &p, e);
	}
	if (rc < 0)
		return rc;
	if (p.count)
		qsort(p.models, p.count, sizeof *p.models, compare_models);
	*out = p;
	p = (struct publication){ 0 };
	return 0;
}

/* ---- sending -------------------------------------------------------------------- */

/* The mirror's view of the release. */
struct view {
	const struct publication *p;
	struct mirror_file *files; /* sorted by path, so that those of a model are together */
	char **paths;
	size_t count;
	struct mirror_model *models;
	size_t model_count;
	struct mirror_file *others;
	size_t other_count;
};

static void view_release(struct view *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->paths[i]);
	free(v->paths);
	free(v->files);
	free(v->models);
	free(v->others);
}

static int compare_paths(const void *a, const void *b)
{
	const struct mirror_file *x = a, *y = b;
	return strcmp(x->path, y->path);
}

static bool is_partial(const struct publication_how *how)
{
	return how->only || how->plan->left_out;
}

/* Also those that were not to be sent this time. */
static bool is_of_mirror(const struct publication_how *how, size_t i, const struct mirror *m)
{
	const struct push_step *s = &how->plan->steps[i];
	if (s->action != STEP_NONE)
		return true;
	return is_partial(how) && s->file->class == REPOSITORY_OBJECT &&
	       inventory_wants(m->holds, m->ops->packs, s->file);
}

static void view_files(struct view *v, const struct publication_how *how, const struct mirror *m)
{
	const struct push_plan *plan = how->plan;
	v->files = mem_alloc((plan->count + 1) * sizeof *v->files);
	v->paths = mem_alloc((plan->count + 1) * sizeof *v->paths);
	for (size_t i = 0; i < plan->count; i++) {
		const struct push_step *s = &plan->steps[i];
		if (!is_of_mirror(how, i, m))
			continue;
		char *path = tree_target_path(s->file);
		v->paths[v->count] = path;
		v->files[v->count++] = (struct mirror_file){
			.key = s->file->key,
			.path = path ? path : s->file->key,
			.size = s->file->size,
			.sha256 = s->file->sha256,
			.there = s->action == STEP_KEEP || s->done,
		};
	}
	if (v->count)
		qsort(v->files, v->count, sizeof *v->files, compare_paths);
}

static int compare_id(const void *id, const void *b)
{
	const struct publication_model *y = b;
	return strcmp(id, y->card.id);
}

/* The model whose file it is, or NULL. */
static const struct publication_model *model_of(const struct publication *p, const char *path)
{
	const char *id = path + strlen(CARD_TARGETS);
	const char *end = str_starts(path, CARD_TARGETS) ? strchr(id, '/') : NULL;
	if (!end || strchr(end + 1, '/') || !p->count)
		return NULL;
	CLEANUP(mem_free_ptr) char *name = mem_strndup(id, (size_t)(end - id));
	return bsearch(name, p->models, p->count, sizeof *p->models, compare_id);
}

static void view_models(struct view *v)
{
	v->models = mem_alloc((v->p->count + 1) * sizeof *v->models);
	v->others = mem_alloc((v->count + 1) * sizeof *v->others);
	for (size_t i = 0; i < v->count; i++) {
		const struct publication_model *of = model_of(v->p, v->files[i].path);
		struct mirror_model *last = v->model_count ? &v->models[v->model_count - 1] : NULL;
		if (!of) {
			v->others[v->other_count++] = v->files[i];
		} else if (last && last->card == &of->card) {
			last->file_count++;
		} else {
			v->models[v->model_count++] = (struct mirror_model){
				.card = &of->card,
				.notes = of->notes,
				.files = &v->files[i],
				.file_count = 1,
			};
		}
	}
}

static void tell(const struct mirror_findings *found, const struct mirror *m, struct report *report,
		 bool *changed)
{
	for (size_t i = 0; i < found->count; i++) {
		const struct mirror_finding *f = &found->at[i];
		*changed |= f->state == MIRROR_FINDING_CHANGED;
		if (f->state == MIRROR_FINDING_LACKS || f->state == MIRROR_FINDING_BY_HAND)
			report_warn(report, "mirror %s: %s: %s", m->id, f->what, f->text);
		else
			report_detail(report, "mirror %s: %s: %s", m->id, f->what, f->text);
	}
}

int publication_send(const struct publication *p, const struct publication_how *how,
		     struct mirror *m, bool *changed, struct err *e)
{
	CLEANUP(mirror_findings_release) struct mirror_findings found = { 0 };
	CLEANUP(view_release) struct view v = { .p = p };
	view_files(&v, how, m);
	view_models(&v);
	struct mirror_publication what = {
		.name = p->head.json ? p->head.name : "",
		.title = p->head.json ? p->head.title : NULL,
		.version = how->tree->version,
		.shown = how->shown,
		.partial = is_partial(how),
		.staged = how->staged,
		.models = v.models,
		.model_count = v.model_count,
		.others = v.others,
		.other_count = v.other_count,
		.report = how->report,
	};
	int rc = mirror_publish(m, &what, &found, e);
	tell(&found, m, how->report, changed);
	return rc;
}
