#include "prepare/prepare.h"

#include "catalog/manifest.h"
#include "catalog/provenance.h"
#include "prepare/companions.h"
#include "prepare/contradict.h"
#include "prepare/convert.h"
#include "prepare/describe.h"
#include "prepare/from_hub.h"
#include "prepare/label.h"
#include "prepare/stamp.h"
#include "prepare/statement.h"
#include "prepare/tools.h"
#include "prepare/obtain.h"
#include "prepare/workdir.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <sys/stat.h>

/* One run. */
struct job {
	const struct prepare *p;
	struct prepare_result *out;
	struct obtain_request request;
	struct workdir work;
	struct obtained source;
	struct model model;
	struct companions companions;
	struct manifest *manifests; /* of the model, then of the companions */
	size_t manifest_count;
	struct stamp made;
	json_t *recipe; /* NULL: unknown */
	char *scratch;
	struct str_list operands; /* of the request */
	struct from_hub hub;      /* hub.hub NULL: it is another source */
};

static void job_release(struct job *j)
{
	str_list_release(&j->operands);
	from_hub_release(&j->hub);
	companions_release(&j->companions);
	model_release(&j->model);
	obtain_release(&j->source);
	for (size_t i = 0; i < j->manifest_count; i++)
		manifest_release(&j->manifests[i]);
	free(j->manifests);
	stamp_release(&j->made);
	json_release(&j->recipe);
	workdir_scratch_release(&j->scratch);
	workdir_close(&j->work);
}

void prepare_result_release(struct prepare_result *r)
{
	for (size_t i = 0; i < r->file_count; i++) {
		free(r->files[i].path);
		free(r->files[i].manifest);
		free(r->files[i].target);
	}
	for (size_t i = 0; i < r->warning_count; i++) {
		free(r->warnings[i].file);
		free(r->warnings[i].code);
		free(r->warnings[i].text);
	}
	free(r->files);
	free(r->warnings);
	str_list_release(&r->told);
	free(r->variant);
	free(r->quantization);
	free(r->output_dir);
	free(r->card_path);
	free(r->tool_build);
	free(r->hub.repo);
	free(r->hub.revision);
	free(r->hub.commit);
	free(r->provenance);
	str_list_release(&r->hub.files);
	card_release(&r->card);
	*r = (struct prepare_result){ 0 };
}

/* ---- before the work ---------------------------------------------------------------- */

static int check_id(const char *what, const char *id, struct err *e)
{
	if (path_is_id(id))
		return 0;
	err_set(e, ERR_USAGE, "%s '%s' is not valid", what, id);
	return err_hint(e, "use at most 64 lower-case letters, digits, '.', '_' and '-', starting "
			   "with a letter or digit: it becomes part of file names and URLs");
}

/* Find a wrong assignment before hours of downloading. */
static int check_set(const struct prepare *p, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < p->set_count; i++)
		rc = card_set_check(p->set[i], e);
	return rc;
}

static int check_card(const struct prepare *p, struct err *e)
{
	CLEANUP(card_release) struct card card = { 0 };
	int rc = p->card ? card_load(p->card, &card, e) : 0;
	if (rc == 0 && p->card && strcmp(card.id, p->name) != 0) {
		err_set(e, ERR_USAGE, "%s is the card of '%s', not of '%s'", p->card, card.id,
			p->name);
		rc = err_hint(e, "use the card of this model, or change the id in the card");
	}
	return rc;
}

static int check_request(const struct job *j, struct err *e)
{
	const struct prepare *p = j->p;
	int rc = check_id("the name", p->name, e);
	if (rc == 0 && p->variant)
		rc = check_id("--variant", p->variant, e);
	if (rc == 0 && p->quantize)
		rc = tools_check_type(p->quantize, p->imatrix, e);
	if (rc == 0 && p->outtype)
		rc = tools_check_outtype(p->outtype, e);
	if (rc == 0 && p->quantize)
		rc = tools_need_quantize(p->settings, e);
	if (rc == 0 && p->imatrix) {
		uint64_t size;
		rc = file_size(p->imatrix, &size, e);
	}
	if (rc == 0)
		rc = obtain_check(&j->request, e);
	if (rc == 0)
		rc = companions_check(&j->companions, e);
	if (rc == 0)
		rc = check_set(p, e);
	return rc < 0 ? rc : check_card(p, e);
}

/* Everything that the files depend on. */
static json_t *recipe_of(const struct job *j)
{
	const struct prepare *p = j->p;
	CLEANUP(json_release) json_t *source = obtain_identity(&j->request);
	json_t *companions = source ? companions_identity(&j->companions) : NULL;
	if (!companions)
		return NULL;
	json_t *o = json_object();
	json_put(o, "source", json_incref(source));
	/* Without any, the recipe is the same as that of earlier programs. */
	if (json_array_size(companions))
		json_put(o, "companions", json_incref(companions));
	json_decref(companions);
	json_put_string(o, "name", p->name);
	json_put_string(o, "variant", p->variant);
	json_put_string(o, "quantize", p->quantize);
	json_put_string(o, "outtype", p->outtype);
	json_put_bool(o, "allow_requantize", p->allow_requantize);
	if (p->link)
		json_put_bool(o, "link", true);
	struct stat st;
	if (p->imatrix && stat(p->imatrix, &st) == 0) {
		json_put_u64(o, "imatrix_size", (uint64_t)st.st_size);
		json_put_u64(o, "imatrix_modified", (uint64_t)st.st_mtime);
	}
	return o;
}

/* ---- the files ---------------------------------------------------------------------- */

static int obtain(struct job *j, struct err *e)
{
	int rc = obtain_run(&j->request, &j->work, &j->source, e);
	j->out->received += j->source.received;
	if (rc == 0)
		rc = workdir_scratch(&j->work, &j->scratch, e);
	if (rc == 0 && j->source.hf_dir)
		return convert_run(j->p, &j->source, j->scratch, j->out, &j->model, e);
	if (rc == 0 && j->p->outtype) {
		err_set(e, ERR_USAGE,
			"--outtype is for Hugging Face folders, but the source is a GGUF");
		return err_hint(e, "use --quantize TYPE to change a GGUF");
	}
	if (rc < 0)
		return rc;
	/* A download that is to be kept must not be moved. */
	for (size_t i = 0; j->p->keep_source && !j->source.scratch && i < j->source.count; i++)
		j->source.files[i].ours = false;
	return model_open(j->source.files, j->source.count, NULL, j->p, j->out, &j->model, e);
}

static void remember(struct job *j)
{
	j->made.variant = mem_strdup(j->out->variant);
	j->made.quantization = j->out->quantization ? mem_strdup(j->out->quantization) : NULL;
	j->made.url = j->source.url ? mem_strdup(j->source.url) : NULL;
	j->made.url_is_file = j->source.url && !j->source.scratch && !j->source.hf_dir &&
			      !j->out->quantized && j->model.count == 1;
	for (size_t i = 0; i < j->manifest_count; i++)
		str_list_add(&j->made.names, j->manifests[i].name);
	j->made.warnings = stamp_warnings(j->out);
}

static void label(struct job *j)
{
	const struct model *m = &j->model;
	j->out->quantization = label_quantization(m->files, m->count, m->at[0].name);
	j->out->variant = j->p->variant ? mem_strdup(j->p->variant)
					: label_variant(j->out->kind, j->out->quantization);
}

/* It is of no use to who fetches a model. */
static int check_kind(struct job *j, struct err *e)
{
	j->out->kind = gguf_kind(j->model.files[0]);
	if (j->out->kind != GGUF_KIND_IMATRIX)
		return 0;
	err_set(e, ERR_INTEGRITY, "%s is an importance matrix, not a model",
		j->model.at[0].name ? j->model.at[0].name : j->model.at[0].path);
	return err_hint(e, "quantize a model with it: --quantize TYPE --imatrix FILE");
}

static int record(struct job *j, struct err *e)
{
	const struct statement s = {
		.p = j->p,
		.source = &j->source,
		.hub = j->hub.hub ? &j->hub : NULL,
		.model = &j->model,
		.companions = &j->companions,
		.manifests = j->manifests,
		.count = j->manifest_count,
		.result = j->out,
	};
	return statement_write(&s, &j->out->provenance, e);
}

static int install(struct job *j, struct err *e)
{
	size_t models = j->model.count, companions = j->companions.count;
	CLEANUP(str_list_release) struct str_list names = { 0 };
	for (size_t i = 0; i < models; i++)
		str_list_take(&names, model_file_name(j->p->name, j->out->variant, i, models));
	j->manifests = mem_alloc((models + companions) * sizeof *j->manifests);
	j->manifest_count = models + companions;
	int rc = convert_install(j->p, &j->model, &names, j->scratch, j->out, j->manifests, e);
	return rc < 0 ? rc
		      : companions_install(j->p, &j->companions, j->scratch, j->out,
					   &j->manifests[models], e);
}

/* Companions are looked at first: they are smaller, and may not fit. */
static int make_files(struct job *j, struct err *e)
{
	int rc = companions_obtain(j->p, &j->companions, j->out, e);
	if (rc == 0)
		rc = obtain(j, e);
	if (rc == 0)
		rc = check_kind(j, e);
	if (rc == 0)
		rc = companions_fit(&j->companions, &j->model, e);
	if (rc == 0 && j->p->quantize)
		rc = convert_quantize(j->p, j->scratch, j->out, &j->model, e);
	if (rc == 0)
		rc = cancel_check(j->p->cancel, e);
	if (rc < 0)
		return rc;
	label(j);
	contradict_variant(&j->model, j->p->report, j->out);
	rc = install(j, e);
	if (rc == 0)
		rc = record(j, e);
	if (rc == 0)
		remember(j);
	return rc;
}

/* A file that was written to or copied since: are its bytes those of the manifest? */
static int check_moved(struct job *j, const struct manifest *m, const char *path, struct err *e)
{
	struct manifest_verdict v;
	int rc = 0;
	if (!j->made.moved)
		return 0;
	rc = manifest_check(m, path, j->p->report, j->p->cancel, &v, e);
	if (rc == 0 && v.fault != MANIFEST_OK)
		rc = err_set(e, ERR_INTEGRITY, "%s does not match its manifest", path);
	return rc;
}

static int reuse_file(struct job *j, const char *name, struct obtain_file *out, struct err *e)
{
	struct manifest *m = &j->manifests[j->manifest_count];
	CLEANUP(mem_free_ptr) char *manifest = mem_printf("%s/%s" MANIFEST_SUFFIX,
							  j->out->output_dir, name);
	out->path = path_join(j->out->output_dir, name);
	int rc = manifest_load(manifest, m, e);
	if (rc < 0)
		return rc;
	j->manifest_count++;
	if (strcmp(m->name, name) != 0)
		return err_set(e, ERR_INTEGRITY, "%s is the manifest of another file", manifest);
	return check_moved(j, m, out->path, e);
}

/* What was said when the files were made is said again: their data is not read now. */
static void tell_again(struct job *j)
{
	size_t i;
	json_t *w;
	json_array_foreach (j->made.warnings, i, w) {
		const char *file = json_string_value(json_object_get(w, "file"));
		const char *code = json_string_value(json_object_get(w, "code"));
		const char *text = json_string_value(json_object_get(w, "text"));
		if (file && code && text)
			model_warn(j->p->report, j->out, file, code, text);
	}
}

static int reuse_model(struct job *j, struct obtain_file *files, struct err *e)
{
	struct prepare silent = *j->p;
	CLEANUP(prepare_result_release) struct prepare_result unused = { 0 };
	silent.report = NULL;
	const struct prepare *p = j->made.warnings ? &silent : j->p;
	struct prepare_result *result = j->made.warnings ? &unused : j->out;
	size_t models = j->manifest_count - j->companions.count;
	int rc = model_open(files, models, NULL, p, result, &j->model, e);
	for (size_t i = 0; rc == 0 && i < j->companions.count; i++)
		rc = companions_reuse(p, &j->companions.at[i], j->out->output_dir,
				      j->made.names.at[models + i], result, e);
	if (rc == 0)
		tell_again(j);
	return rc;
}

/* The files exist: read only what is needed for the card. */
static int reuse_files(struct job *j, struct err *e)
{
	size_t count = j->made.names.count;
	if (count <= j->companions.count)
		return err_set(e, ERR_INTEGRITY, "files are missing");
	struct obtain_file *files = mem_alloc(count * sizeof *files);
	int rc = 0;
	j->out->variant = mem_strdup(j->made.variant);
	j->manifests = mem_alloc(count * sizeof *j->manifests);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = reuse_file(j, j->made.names.at[i], &files[i], e);
	if (rc == 0)
		rc = reuse_model(j, files, e);
	if (rc == 0)
		rc = check_kind(j, e);
	if (rc == 0)
		j->out->quantization = j->made.quantization
					       ? mem_strdup(j->made.quantization)
					       : label_quantization(j->model.files, j->model.count,
								    NULL);
	for (size_t i = 0; i < count; i++)
		free(files[i].path);
	free(files);
	return rc;
}

/* Of the run that made them. */
static void find_record(struct job *j)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%s" PROVENANCE_SUFFIX, j->out->output_dir,
						      j->made.names.at[0]);
	if (file_exists(path))
		j->out->provenance = STEAL(path);
}

static bool try_reuse(struct job *j)
{
	struct err why = ERR_INIT;
	if (!j->recipe || !stamp_find(&j->work, j->out->output_dir, j->recipe, &j->made))
		return false;
	if (reuse_files(j, &why) == 0) {
		find_record(j);
		return true;
	}
	report_note(j->p->report, "making the files again: %s", why.text);
	model_release(&j->model);
	stamp_release(&j->made);
	for (size_t i = 0; i < j->manifest_count; i++)
		manifest_release(&j->manifests[i]);
	companions_close_files(&j->companions);
	mem_free_ptr(&j->manifests);
	mem_free_ptr(&j->out->variant);
	mem_free_ptr(&j->out->quantization);
	j->manifest_count = 0;
	return false;
}

/* ---- the card ----------------------------------------------------------------------- */

/* What people wrote takes precedence: the given card, then the existing one. */
static int base_card(const struct job *j, json_t **out, json_t **existing, struct err *e)
{
	CLEANUP(card_release) struct card given = { 0 }, there = { 0 };
	int rc = j->p->card ? card_load(j->p->card, &given, e) : 0;
	if (rc == 0 && file_exists(j->out->card_path))
		rc = card_load(j->out->card_path, &there, e);
	if (rc < 0)
		return err_hint(e, "correct the card, or move it to another folder");
	CLEANUP(json_release) json_t *base = given.json   ? json_deep_copy(given.json)
					     : there.json ? json_deep_copy(there.json)
							  : NULL;
	if (given.json && there.json && (rc = card_merge(base, there.json, e)) < 0)
		return rc;
	*existing = there.json ? json_incref(there.json) : NULL;
	*out = STEAL(base);
	return 0;
}

static const char *role_of(const struct job *j, size_t i)
{
	return i < j->model.count ? NULL : j->companions.at[i - j->model.count].role;
}

static json_t *generated_card(const struct job *j)
{
	CLEANUP(mem_free_ptr)
	const char **roles = mem_alloc((j->manifest_count + 1) * sizeof *roles);
	for (size_t i = 0; i < j->manifest_count; i++)
		roles[i] = role_of(j, i);
	struct describe d = {
		.id = j->p->name,
		.variant = j->out->variant,
		.quantization = j->out->quantization,
		.kind = j->out->kind,
		.files = j->model.files,
		.count = j->model.count,
		.manifests = j->manifests,
		.roles = roles,
		.manifest_count = j->manifest_count,
		.source_url = j->made.url,
		.source_is_file = j->made.url_is_file,
		.ram = &j->out->ram,
	};
	json_t *card = describe_card(&d);
	if (j->hub.hub)
		from_hub_describe(&j->hub, card);
	return card;
}

static bool sets_key(const struct prepare *p, const char *key)
{
	for (size_t i = 0; i < p->set_count; i++)
		if (strncmp(p->set[i], key, strlen(key)) == 0 && p->set[i][strlen(key)] == '=')
			return true;
	return false;
}

static void put_dates(const struct prepare *p, json_t *card)
{
	char now[TIME_TEXT];
	format_time(now, p->now_s);
	if (!json_object_get(card, "created"))
		json_put_string(card, "created", now);
	if (!sets_key(p, "updated"))
		json_put_string(card, "updated", now);
}

static int write_card(struct job *j, struct err *e)
{
	CLEANUP(json_release) json_t *card = NULL, *existing = NULL;
	gguf_ram(j->model.files, j->model.count, j->p->context, &j->out->ram);
	companions_ram(&j->companions, &j->out->ram);
	CLEANUP(json_release) json_t *generated = generated_card(j);
	int rc = base_card(j, &card, &existing, e);
	if (rc == 0)
		companions_tell_dropped(&j->companions, j->p, existing, j->out);
	if (rc == 0 && card)
		contradict_card(&j->model, card, generated, j->p->report, j->out);
	if (rc == 0 && !card)
		card = json_incref(generated);
	else if (rc == 0)
		rc = card_merge(card, generated, e);
	if (rc == 0 && j->hub.hub)
		from_hub_update(&j->hub, existing, card, j->out);
	for (size_t i = 0; rc == 0 && i < j->p->set_count; i++)
		rc = card_set(card, j->p->set[i], e);
	if (rc < 0)
		return rc;
	if (j->hub.hub)
		from_hub_contradict(&j->hub, card, j->out);
	j->out->card_changed = !existing || !json_equal(existing, card);
	if (j->out->card_changed)
		put_dates(j->p, card);
	rc = card_from_json(card, "", &j->out->card, e);
	if (rc < 0)
		return err_context(e, "the card of %s", j->p->name);
	contradict_license(&j->model, &j->out->card, j->p->report, j->out);
	return j->out->card_changed ? card_save(&j->out->card, j->out->card_path, e) : 0;
}

/* ---- all of it ---------------------------------------------------------------------- */

static int open_hub(struct job *j, struct err *e)
{
	struct prepare_hub *out = &j->out->hub;
	if (!obtain_is_hub(&j->request))
		return 0;
	int rc = from_hub_open(j->request.operands[0], j->p->name, j->p->report, j->p->cancel,
			       &j->hub, e);
	if (rc < 0)
		return rc;
	j->request.hub = &j->hub;
	out->repo = mem_strdup(j->hub.repo.model.repo);
	out->revision = mem_strdup(j->hub.name.revision);
	out->commit = mem_strdup(j->hub.repo.model.commit);
	for (size_t i = 0; i < j->hub.pick.count; i++)
		str_list_add(&out->files, j->hub.pick.files[i]->path);
	return 0;
}

static void fill_result(struct job *j)
{
	struct prepare_result *r = j->out;
	r->files = mem_alloc(j->manifest_count * sizeof *r->files);
	r->file_count = j->manifest_count;
	for (size_t i = 0; i < j->manifest_count; i++) {
		const struct manifest *m = &j->manifests[i];
		r->files[i] = (struct prepare_file){
			.path = path_join(r->output_dir, m->name),
			.manifest = mem_printf("%s/%s" MANIFEST_SUFFIX, r->output_dir, m->name),
			.target = card_target(j->p->name, m->name),
			.role = role_of(j, i),
			.size = m->grid.size,
			.sha256 = m->sha256,
		};
	}
}

static int run(struct job *j, struct err *e)
{
	int rc = workdir_open(j->out->output_dir, j->p->now_s, &j->work, e);
	if (rc < 0)
		return rc;
	rc = open_hub(j, e);
	if (rc == 0)
		rc = companions_open(j->p, &j->work, &j->companions, e);
	if (rc < 0)
		return rc;
	j->recipe = recipe_of(j);
	bool reused = try_reuse(j);
	if (!reused)
		rc = make_files(j, e);
	/* The next run must not use a file that is not a model. */
	if (rc < 0 && err_is(e, ERR_INTEGRITY))
		obtain_forget(&j->source);
	if (rc == 0)
		rc = write_card(j, e);
	if (rc < 0)
		return rc;
	fill_result(j);
	if ((!reused || j->made.moved) && j->recipe)
		rc = stamp_save(&j->work, j->out->output_dir, j->recipe, &j->made, e);
	if (rc == 0 && !j->p->keep_source) {
		obtain_forget(&j->source);
		companions_forget(&j->companions);
	}
	return rc;
}

int prepare_run(const struct prepare *p, struct prepare_result *out, struct err *e)
{
	CLEANUP(prepare_result_release) struct prepare_result result = { 0 };
	struct job j = {
		.p = p,
		.out = &result,
		.work = WORKDIR_INIT,
		.request = { .count = p->source_count,
			     .sha256 = p->sha256,
			     .sha256_count = p->sha256_count,
			     .archive_max_bytes = p->settings->archive_max,
			     .download_max_bytes = p->settings->download_max,
			     .report = p->report,
			     .cancel = p->cancel, },
	};
	result.output_dir = p->output_dir ? mem_strdup(p->output_dir)
					  : mem_printf("models/%s", p->name);
	result.card_path = mem_printf("%s/%s" CARD_SUFFIX, result.output_dir, p->name);
	for (size_t i = 0; i < p->source_count; i++)
		str_list_take(&j.operands, obtain_operand(p->sources[i]));
	j.request.operands = (const char *const *)j.operands.at;
	companions_init(p, &j.companions);
	int rc = check_request(&j, e);
	if (rc == 0)
		rc = run(&j, e);
	job_release(&j);
	if (rc < 0)
		return rc;
	*out = result;
	result = (struct prepare_result){ 0 };
	return 0;
}
