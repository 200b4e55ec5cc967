#include "prepare/companions.h"

#include "gguf/sniff.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

#define VOCABULARY_DIFFERENCE 128

static const struct {
	const char *role, *prefix, *option;
	enum gguf_kind kind;
} roles[] = {
	{ CARD_PROJECTOR, "mmproj", "--projector", GGUF_KIND_PROJECTOR },
	{ CARD_ADAPTER, "adapter", "--adapter", GGUF_KIND_ADAPTER },
	{ CARD_DRAFT, "draft", "--draft", GGUF_KIND_MODEL },
	{ CARD_IMATRIX, "imatrix", "--imatrix", GGUF_KIND_IMATRIX },
};

static size_t row_of(const char *role)
{
	size_t i = 0;
	while (i + 1 < ARRAY_LEN(roles) && strcmp(roles[i].role, role) != 0)
		i++;
	return i;
}

static const char *option_of(const struct companion *c)
{
	return roles[row_of(c->role)].option;
}

static void close_files(struct companion *c)
{
	model_release(&c->model);
	obtain_release(&c->obtained);
	mem_free_ptr(&c->name);
}

void companions_close_files(struct companions *c)
{
	for (size_t i = 0; i < c->count; i++)
		close_files(&c->at[i]);
}

/* What holds no download any more. */
static void remove_work(const struct companion *c)
{
	if (!c->work.path)
		return;
	CLEANUP(mem_free_ptr) char *downloads = path_join(c->work.path, "download");
	file_remove_dir_if_empty(downloads);
	file_remove_dir_if_empty(c->work.path);
}

static void release_one(struct companion *c)
{
	close_files(c);
	from_hub_release(&c->hub);
	remove_work(c);
	workdir_close(&c->work);
	free(c->operand);
}

void companions_release(struct companions *c)
{
	for (size_t i = 0; i < c->count; i++)
		release_one(&c->at[i]);
	free(c->at);
	*c = (struct companions){ 0 };
}

/* ---- what was asked for ------------------------------------------------------------- */

static void add(const struct prepare *p, const struct prepare_companion *from,
		struct companions *out)
{
	struct companion *c = &out->at[out->count++];
	*c = (struct companion){
		.role = from->role,
		.source = from->source,
		.operand = obtain_operand(from->source),
		.work = WORKDIR_INIT,
		.request = { .count = 1,
			     .imatrix = strcmp(from->role, CARD_IMATRIX) == 0,
			     .archive_max_bytes = p->settings->archive_max,
			     .download_max_bytes = p->settings->download_max,
			     .report = p->report,
			     .cancel = p->cancel, },
	};
	c->request.operands = (const char *const *)&c->operand;
}

void companions_init(const struct prepare *p, struct companions *out)
{
	*out = (struct companions){
		.at = mem_alloc((p->companion_count + 1) * sizeof *out->at),
	};
	for (size_t r = 0; r < ARRAY_LEN(roles); r++)
		for (size_t i = 0; i < p->companion_count; i++)
			if (strcmp(p->companions[i].role, roles[r].role) == 0)
				add(p, &p->companions[i], out);
}

int companions_check(const struct companions *c, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < c->count; i++) {
		rc = obtain_check(&c->at[i].request, e);
		if (rc < 0)
			err_context(e, "%s", option_of(&c->at[i]));
	}
	return rc;
}

/* Two sources may have files of the same name. */
static char *work_path(const struct companions *c, size_t i, const struct workdir *work)
{
	return mem_printf("%s/%s-%zu", work->path, c->at[i].role, i);
}

int companions_open(const struct prepare *p, const struct workdir *work, struct companions *c,
		    struct err *e)
{
	for (size_t i = 0; i < c->count; i++) {
		struct companion *one = &c->at[i];
		one->work.path = work_path(c, i, work);
		if (!obtain_is_hub(&one->request))
			continue;
		if (from_hub_open(one->operand, p->name, p->report, p->cancel, &one->hub, e) < 0)
			return err_context(e, "%s", option_of(one));
		one->hub.any_kind = one->request.imatrix;
		one->request.hub = &one->hub;
	}
	return 0;
}

json_t *companions_identity(const struct companions *c)
{
	CLEANUP(json_release) json_t *list = json_array();
	for (size_t i = 0; i < c->count; i++) {
		json_t *source = obtain_identity(&c->at[i].request);
		if (!source)
			return NULL;
		json_t *o = json_push_object(list);
		json_put_string(o, "role", c->at[i].role);
		json_put(o, "source", source);
	}
	return STEAL(list);
}

/* ---- what they are ------------------------------------------------------------------ */

static const struct gguf *gguf_of(const struct companion *c)
{
	return c->model.count ? c->model.files[0] : NULL;
}

static int check_kind(const struct companion *c, struct err *e)
{
	enum gguf_kind wanted = roles[row_of(c->role)].kind;
	const struct gguf *g = gguf_of(c);
	if (!g || gguf_kind(g) == wanted)
		return 0;
	err_set(e, ERR_INTEGRITY, "%s is %s, not %s", c->source, gguf_kind_is(gguf_kind(g)),
		gguf_kind_is(wanted));
	return wanted == GGUF_KIND_PROJECTOR
		       ? err_hint(e, "its file is usually called mmproj-….gguf; of a repository on "
				     "the Hub, name it: hf:OWNER/REPO:FILE")
		       : err_hint(e, "give the file that %s is for", option_of(c));
}

static int single(const struct companion *c, struct err *e)
{
	const struct obtained *o = &c->obtained;
	if (o->hf_dir) {
		err_set(e, ERR_USAGE, "%s is a Hugging Face folder, not a GGUF", c->source);
		return err_hint(e, "convert it first: ferry prepare NAME FOLDER");
	}
	if (o->count == 1)
		return 0;
	err_set(e, ERR_USAGE, "%s has %zu shards, but a %s must be one file", c->source, o->count,
		c->role);
	return err_hint(e, "llama-gguf-split --merge joins shards");
}

/* An importance matrix in the old format is not a GGUF, and nothing else of it is known. */
static void take_plain(struct companion *c)
{
	struct obtain_file *f = &c->obtained.files[0];
	c->model.at = mem_alloc(sizeof *c->model.at);
	c->model.files = mem_alloc(sizeof *c->model.files);
	c->model.count = 1;
	c->model.at[0] = (struct model_file){
		.path = STEAL(f->path),
		.name = STEAL(f->name),
		.in_work = f->in_work,
		.ours = f->ours,
	};
}

static int take_file(const struct prepare *p, struct companion *c, struct prepare_result *result,
		     struct err *e)
{
	struct obtain_file *f = &c->obtained.files[0];
	enum sniff kind;
	f->companion = true;
	/* A download that is to be kept must not be moved. */
	if (p->keep_source && !c->obtained.scratch)
		f->ours = false;
	int rc = sniff_file(f->path, &kind, e);
	if (rc == 0 && kind == SNIFF_IMATRIX_OLD)
		take_plain(c);
	else if (rc == 0)
		rc = model_open(f, 1, NULL, p, result, &c->model, e);
	return rc < 0 ? rc : check_kind(c, e);
}

static int obtain_one(const struct prepare *p, struct companion *c, struct prepare_result *result,
		      struct err *e)
{
	int rc = file_mkdirs(c->work.path, FILE_DIR_MODE, e);
	if (rc == 0)
		rc = obtain_run(&c->request, &c->work, &c->obtained, e);
	result->received += c->obtained.received;
	if (rc == 0)
		rc = single(c, e);
	return rc < 0 ? rc : take_file(p, c, result, e);
}

int companions_obtain(const struct prepare *p, struct companions *c, struct prepare_result *result,
		      struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < c->count; i++) {
		rc = obtain_one(p, &c->at[i], result, e);
		/* The next run must not use it again. */
		if (rc == -ERR_INTEGRITY)
			obtain_forget(&c->at[i].obtained);
		if (rc < 0)
			err_context(e, "%s", option_of(&c->at[i]));
	}
	return rc;
}

/* ---- do they fit? ------------------------------------------------------------------- */

static int fit_adapter(const struct companion *c, const struct gguf_metadata *of,
		       const struct gguf_metadata *model, struct err *e)
{
	if (str_same(of->architecture, model->architecture))
		return 0;
	err_set(e, ERR_INTEGRITY, "%s is an adapter for the architecture %s, but the model is %s",
		c->source, of->architecture ? of->architecture : "(none)",
		model->architecture ? model->architecture : "(none)");
	return err_hint(e, "engines refuse it: use the adapter that was made for this model");
}

static int fit_draft(const struct companion *c, const struct gguf_metadata *of,
		     const struct gguf_metadata *model, struct err *e)
{
	uint64_t more = MAX(of->vocabulary_size, model->vocabulary_size);
	uint64_t less = MIN(of->vocabulary_size, model->vocabulary_size);
	if (!str_same(of->tokenizer_model, model->tokenizer_model))
		err_set(e, ERR_INTEGRITY,
			"the tokenizer of the draft model %s is %s, but that of the model is %s",
			c->source, of->tokenizer_model ? of->tokenizer_model : "(none)",
			model->tokenizer_model ? model->tokenizer_model : "(none)");
	else if (more - less > VOCABULARY_DIFFERENCE)
		err_set(e, ERR_INTEGRITY,
			"the draft model %s has a vocabulary of %llu tokens, but the model one of "
			"%llu",
			c->source, (unsigned long long)of->vocabulary_size,
			(unsigned long long)model->vocabulary_size);
	else
		return 0;
	return err_hint(e, "a draft model must have the vocabulary of the model: use a smaller "
			   "model of the same family");
}

int companions_fit(const struct companions *c, const struct model *m, struct err *e)
{
	struct gguf_metadata model, of;
	int rc = 0;
	if (c->count && gguf_kind(m->files[0]) != GGUF_KIND_MODEL)
		return err_set(e, ERR_USAGE, "%s: the source is %s, and only a model can have one",
			       option_of(&c->at[0]), gguf_kind_is(gguf_kind(m->files[0])));
	gguf_metadata(m->files[0], &model);
	for (size_t i = 0; rc == 0 && i < c->count; i++) {
		const struct companion *one = &c->at[i];
		if (!gguf_of(one))
			continue;
		gguf_metadata(gguf_of(one), &of);
		rc = strcmp(one->role, CARD_ADAPTER) == 0 ? fit_adapter(one, &of, &model, e)
		     : strcmp(one->role, CARD_DRAFT) == 0 ? fit_draft(one, &of, &model, e)
							  : 0;
	}
	return rc;
}

/* ---- installing --------------------------------------------------------------------- */

/* "adapter-phi-2-q4_k_m.gguf", "adapter-2-phi-2-q4_k_m.gguf". */
static char *name_of(const struct companions *c, size_t i, const char *model, const char *variant)
{
	const char *role = c->at[i].role, *prefix = roles[row_of(role)].prefix;
	const char *end = gguf_of(&c->at[i]) ? "gguf" : "dat";
	char number[24] = "";
	size_t nth = 1;
	for (size_t k = 0; k < i; k++)
		nth += strcmp(c->at[k].role, role) == 0;
	if (nth > 1)
		snprintf(number, sizeof number, "%zu-", nth);
	return mem_printf("%s-%s%s-%s.%s", prefix, number, model, variant, end);
}

int companions_install(const struct prepare *p, struct companions *c, const char *scratch,
		       struct prepare_result *result, struct manifest *manifests, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < c->count; i++) {
		struct companion *one = &c->at[i];
		one->name = name_of(c, i, p->name, result->variant);
		CLEANUP(str_list_release) struct str_list names = { 0 };
		str_list_add(&names, one->name);
		rc = convert_install(p, &one->model, &names, scratch, result, &manifests[i], e);
	}
	return rc;
}

int companions_reuse(const struct prepare *p, struct companion *c, const char *dir,
		     const char *name, struct prepare_result *result, struct err *e)
{
	c->obtained.files = mem_alloc(sizeof *c->obtained.files);
	c->obtained.count = 1;
	c->obtained.files[0] = (struct obtain_file){ .path = path_join(dir, name) };
	c->name = mem_strdup(name);
	return take_file(p, c, result, e);
}

/* ---- the card ----------------------------------------------------------------------- */

static void add_ram(struct gguf_ram *ram, const struct gguf_ram *more, uint64_t bytes)
{
	ram->weights += more->weights;
	ram->total += bytes;
}

static void add_draft(const struct gguf *draft, struct gguf_ram *ram)
{
	struct gguf_ram more;
	gguf_ram(&draft, 1, ram->context, &more);
	add_ram(ram, &more, more.total);
	ram->kv_cache += more.kv_cache;
	ram->overhead += more.overhead;
	ram->token += more.token;
	if (more.known)
		return;
	ram->known = false;
	snprintf(ram->reason, sizeof ram->reason, "of the draft model: %.120s", more.reason);
}

void companions_ram(const struct companions *c, struct gguf_ram *ram)
{
	for (size_t i = 0; ram->known && i < c->count; i++) {
		const struct gguf *g = gguf_of(&c->at[i]);
		struct gguf_ram more;
		if (!g || strcmp(c->at[i].role, CARD_IMATRIX) == 0)
			continue;
		if (strcmp(c->at[i].role, CARD_DRAFT) == 0) {
			add_draft(g, ram);
			continue;
		}
		gguf_ram(&g, 1, 0, &more);
		add_ram(ram, &more, more.weights);
	}
}

static bool is_given(const struct companions *c, const char *role)
{
	bool given = false;
	for (size_t i = 0; i < c->count; i++)
		given = given || strcmp(c->at[i].role, role) == 0;
	return given;
}

static const json_t *variant_in(const json_t *card, const char *id)
{
	const json_t *variant;
	size_t i;
	json_array_foreach (json_object_get(card, "variants"), i, variant)
		if (str_same(json_text(variant, "id"), id))
			return variant;
	return NULL;
}

void companions_tell_dropped(const struct companions *c, const struct prepare *p,
			     const json_t *card, struct prepare_result *result)
{
	const json_t *files = json_object_get(variant_in(card, result->variant), "files"), *file;
	CLEANUP(str_list_release) struct str_list said = { 0 };
	size_t i;
	json_array_foreach (files, i, file) {
		const char *role = json_text(file, "role");
		if (!role || is_given(c, role) || str_list_has(&said, role))
			continue;
		CLEANUP(mem_free_ptr) char *text = mem_printf(
			"the variant had a file with the role '%s', which was not given this time "
			"and is not part of it any more",
			role);
		str_list_add(&said, role);
		model_warn(p->report, result, result->variant, "companion", text);
	}
}

void companions_forget(const struct companions *c)
{
	for (size_t i = 0; i < c->count; i++)
		obtain_forget(&c->at[i].obtained);
}
