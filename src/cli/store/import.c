#include "cli/session.h"
#include "cli/store/store.h"
#include "fetch/import.h"
#include "handoff/handoff.h"
#include "util/mem.h"

#include <string.h>

struct import_opts {
	struct opt_list from;
	bool dry_run, copy, move, offline;
	const char *repository;
};

#define PROGRAMS "ollama huggingface lmstudio"

static const struct opt import_opts[] = {
	OPT_OFFERED(OPT_LIST, import_opts, from, 0, "from", "PROGRAM", PROGRAMS,
		    "the models of this program, where it keeps them: " PROGRAMS
		    "; may be given several times"),
	OPT_ENTRY(OPT_FLAG, import_opts, dry_run, 'n', "dry-run", NULL,
		  "hash the files and say what would be done, but change nothing"),
	OPT_ENTRY(OPT_FLAG, import_opts, copy, 0, "copy", NULL,
		  "copy what cannot be cloned, instead of linking it; also from other file "
		  "systems"),
	OPT_ENTRY(OPT_FLAG, import_opts, move, 0, "move", NULL,
		  "remove the files, and links to them, when the store has them"),
	OPT_HINTED(OPT_STRING, import_opts, repository, 0, "repository", "NAME", HINT_REPOSITORY,
		   "only models of this repository"),
	OPT_ENTRY(OPT_FLAG, import_opts, offline, 0, "offline", NULL,
		  "do not use the network: use the catalog that was verified last"),
	OPT_LAST,
};

struct importing {
	struct cli *cli;
	const struct import_opts *o;
	struct client client;
	struct import_files files;
	struct import_catalog catalog;
	json_t *document;
	struct err first; /* what decides on the exit code */
};

static void importing_release(struct importing *x)
{
	json_decref(x->document);
	import_catalog_release(&x->catalog);
	import_files_release(&x->files);
	client_release(&x->client);
}

/* -- the document ------------------------------------------------------------------------------ */

static void put_model(json_t *object, const struct import_model *m)
{
	json_put_string(object, "repository", m->remote->repository);
	json_put_string(object, "model", m->model->id);
	json_put_string(object, "variant", m->variant->id);
	json_put_u64(object, "version", m->variant->version);
}

/* What people read: the bytes of a file are in the store in whatever way. */
static const char *words_of(const struct import_file *f, bool dry_run)
{
	static const char *const done[] = { "", "cloned", "linked", "copied" };
	static const char *const would[] = { "", "would be cloned", "would be linked",
					     "would be copied" };
	switch (f->state) {
	case IMPORT_IMPORTED:
		return (dry_run ? would : done)[f->how];
	case IMPORT_STORED:
		return "in the store already";
	case IMPORT_UNKNOWN:
		return "not in the catalog";
	case IMPORT_DIFFERS:
		return "differs";
	case IMPORT_NEEDS_COPY:
		return "must be copied";
	case IMPORT_OUTSIDE:
		return "not followed";
	case IMPORT_WITHDRAWN:
		return "withdrawn";
	default:
		return "failed";
	}
}

static json_t *file_json(const struct importing *x, const struct import_file *f)
{
	json_t *object = json_object();
	json_put_string(object, "path", f->names.at[0]);
	json_put_u64(object, "size", f->size);
	json_put_string(object, "state", import_state_name(f->state));
	if (f->state == IMPORT_IMPORTED)
		json_put_string(object, "how", store_adopt_how_name(f->how));
	if (f->hashed)
		json_put_hex(object, "sha256", &f->sha256, DIGEST_SIZE);
	if (f->entry) {
		put_model(object, &x->catalog.models[f->entry->model]);
		json_put_string(object, "name", f->entry->file->name);
	}
	if (f->removed)
		json_put_bool(object, "removed", true);
	if (f->why.class)
		json_put(object, "error", cli_error_json(&f->why));
	return object;
}

static bool is_missing(const struct importing *x, const struct card_file *f)
{
	size_t count;
	const struct import_entry *all = import_catalog_find(&x->catalog, f->size, &f->sha256,
							     &count);
	return !all->there && !store_has(&x->client.store, &f->sha256, f->size);
}

static const char *state_of_model(const struct import_model *m)
{
	return !m->complete ? "incomplete" : m->recorded ? "complete" : "failed";
}

static json_t *model_json(const struct importing *x, const struct import_model *m)
{
	json_t *object = json_object();
	uint64_t bytes = 0;
	put_model(object, m);
	json_put_string(object, "state", state_of_model(m));
	json_put_u64(object, "files", m->variant->file_count);
	json_t *missing = json_put_array(object, "missing");
	for (size_t i = 0; !m->complete && i < m->variant->file_count; i++) {
		const struct card_file *f = &m->variant->files[i];
		if (!is_missing(x, f))
			continue;
		json_array_append_new(missing, json_string(f->name));
		bytes += f->size;
	}
	json_put_u64(object, "missing_bytes", bytes);
	if (m->why.class)
		json_put(object, "error", cli_error_json(&m->why));
	return object;
}

/* -- the table --------------------------------------------------------------------------------- */

static void add_row(json_t *rows, const struct importing *x, const struct import_file *f)
{
	json_t *row = json_push_object(rows);
	const struct import_model *m = f->entry ? &x->catalog.models[f->entry->model] : NULL;
	bool is_it = m && f->state != IMPORT_DIFFERS && f->state != IMPORT_NEEDS_COPY;
	CLEANUP(mem_free_ptr) char *name =
		!is_it         ? NULL
		: m->versioned ? mem_printf("%s/%s:%s@%llu", m->remote->repository, m->model->id,
					    m->variant->id, (unsigned long long)m->variant->version)
			       : mem_printf("%s/%s:%s", m->remote->repository, m->model->id,
					    m->variant->id);
	json_put_string(row, "state", words_of(f, x->o->dry_run));
	if (f->size)
		json_put_u64(row, "size", f->size);
	json_put_string(row, "model", name);
	json_put_string(row, "path", f->names.at[0]);
}

static void tell_files(struct importing *x)
{
	static const struct cli_column columns[] = {
		{ "STATE", "{state}", NULL },
		{ ">SIZE", "{size:size}", NULL },
		{ "MODEL", "{model|-}", NULL },
		{ "FILE", "{path}", NULL },
	};
	CLEANUP(json_release) json_t *rows = json_array();
	json_t *files = json_put_array(x->document, "files");
	for (size_t i = 0; i < x->files.count; i++) {
		const struct import_file *f = &x->files.at[i];
		if (f->state == IMPORT_IGNORED)
			continue;
		json_push(files, file_json(x, f));
		add_row(rows, x, f);
	}
	cli_table(x->cli, rows, columns, ARRAY_LEN(columns));
}

/* -- what is to be said about it --------------------------------------------------------------- */

struct sum {
	size_t count;
	uint64_t bytes;
	const struct import_file *first;
};

static struct sum sum_of(const struct importing *x, enum import_state state, int how)
{
	struct sum s = { 0 };
	for (size_t i = 0; i < x->files.count; i++) {
		const struct import_file *f = &x->files.at[i];
		if (f->state != state || (how >= 0 && (int)f->how != how))
			continue;
		s.first = s.first ? s.first : f;
		s.bytes += f->size;
		s.count++;
	}
	return s;
}

static void keep_first(struct importing *x, const struct err *why)
{
	if (!x->first.class)
		x->first = *why;
}

static void tell_faults(struct importing *x)
{
	for (size_t i = 0; i < x->files.count; i++) {
		const struct import_file *f = &x->files.at[i];
		if (f->state == IMPORT_FAILED) {
			report_warn(x->cli->report, "%s", f->why.text);
			keep_first(x, &f->why);
		}
	}
	for (size_t i = 0; i < x->catalog.model_count; i++) {
		const struct import_model *m = &x->catalog.models[i];
		if (m->why.class)
			keep_first(x, &m->why);
	}
}

static void refuse_withdrawn(struct importing *x)
{
	for (size_t i = 0; i < x->files.count; i++) {
		const struct import_file *f = &x->files.at[i];
		struct err why = ERR_INIT;
		if (f->state != IMPORT_WITHDRAWN)
			continue;
		const struct import_model *m = &x->catalog.models[f->entry->model];
		const struct card_withdrawal w = card_withdrawn(m->model, m->variant);
		err_set(&why, ERR_INTEGRITY, "%s: the publisher has withdrawn %s:%s@%llu: %s",
			f->names.at[0], m->model->id, m->variant->id,
			(unsigned long long)m->variant->version, w.reason);
		err_cause(&why, CAUSE_WITHDRAWN, 0);
		if (w.replacement)
			err_hint(&why, "use %s instead", w.replacement);
		report_warn(x->cli->report, "%s", why.text);
		keep_first(x, &why);
	}
}

static void refuse_apart(struct importing *x)
{
	struct sum s = sum_of(x, IMPORT_NEEDS_COPY, -1);
	struct err why = ERR_INIT;
	char size[SIZE_TEXT];
	if (!s.count)
		return;
	err_set(&why, ERR_USAGE,
		"%zu %s (%s) can neither be cloned nor linked into the store, for example %s: on "
		"another file system, or another user's",
		s.count, s.count == 1 ? "file" : "files", format_size(size, s.bytes),
		s.first->names.at[0]);
	err_hint(&why, "--copy copies what the catalog knows");
	keep_first(x, &why);
}

/* The current version is fetched without its number, so that it is updated later. */
#define LACKS \
	"{repository}/{model}:{variant} lacks {missing} of its {files} files, " \
	"{missing_bytes:size}: `ferry fetch {repository}/{model}:{variant}"

static void tell_models(struct importing *x)
{
	json_t *models = json_put_array(x->document, "models");
	for (size_t i = 0; i < x->catalog.model_count; i++) {
		const struct import_model *m = &x->catalog.models[i];
		if (!m->expected && !m->complete)
			continue;
		json_t *object = model_json(x, m);
		if (!m->complete)
			cli_note(x->cli, object,
				 m->versioned ? LACKS "@{version}` fetches the rest"
					      : LACKS "` fetches the rest");
		json_push(models, object);
	}
}

static void tell_differs(struct importing *x, const struct import_file *f)
{
	const struct import_model *m = &x->catalog.models[f->entry->model];
	CLEANUP(mem_free_ptr) char *way =
		m->complete ? NULL
			    : mem_printf(": `ferry fetch %s:%s` gets the right ones", m->model->id,
					 m->variant->id);
	report_note(x->cli->report, "%s has the size of a file of %s:%s, but other bytes%s",
		    f->names.at[0], m->model->id, m->variant->id, way ? way : "");
}

static void tell_rest(struct importing *x)
{
	struct report *report = x->cli->report;
	struct sum differs = sum_of(x, IMPORT_DIFFERS, -1);
	struct sum linked = sum_of(x, IMPORT_IMPORTED, STORE_ADOPT_LINK);
	struct sum outside = sum_of(x, IMPORT_OUTSIDE, -1);
	if (differs.count)
		tell_differs(x, differs.first);
	if (linked.count && !x->o->move && !x->o->dry_run)
		report_note(report,
			    "%zu %s now read-only and shared with the store: a program that "
			    "writes to it changes the store's file, too; --copy makes a copy "
			    "instead",
			    linked.count, linked.count == 1 ? "file is" : "files are");
	if (outside.count)
		report_note(report,
			    "%s leads out of the folder; name what it leads to, to import that",
			    outside.first->names.at[0]);
}

static int tell(struct importing *x, struct err *e)
{
	x->document = cli_document(x->cli);
	json_put_bool(x->document, "dry_run", x->o->dry_run);
	struct sum imported = sum_of(x, IMPORT_IMPORTED, -1);
	json_put_u64(x->document, "imported", imported.count);
	json_put_u64(x->document, "imported_bytes", imported.bytes);
	uint64_t copied = sum_of(x, IMPORT_IMPORTED, STORE_ADOPT_COPY).bytes;
	json_put_u64(x->document, "copied_bytes", copied);
	json_put_u64(x->document, "to_copy_bytes", sum_of(x, IMPORT_NEEDS_COPY, -1).bytes);
	tell_files(x);
	tell_models(x);
	tell_rest(x);
	tell_faults(x);
	refuse_withdrawn(x);
	refuse_apart(x);
	if (imported.count)
		cli_note(x->cli, x->document,
			 copied ? "{dry_run?would import:imported} {imported#file}, "
				  "{imported_bytes:size}, {copied_bytes:size} of them by copying"
				: "{dry_run?would import:imported} {imported#file}, "
				  "{imported_bytes:size}, without a copy");
	else if (!x->first.class)
		cli_note(x->cli, x->document, "nothing {dry_run?would be:was} imported");
	*e = x->first;
	return cli_result(x->cli, x->document, e);
}

/* -- where ------------------------------------------------------------------------------------- */

/* Those that keep what they download in one folder. */
static bool find_engine(const char *name, enum handoff_engine *out)
{
	CLEANUP(str_list_release) struct str_list programs = { 0 };
	str_list_split(&programs, PROGRAMS, " ");
	for (int i = 0; str_list_has(&programs, name) && i < HANDOFF_ENGINES; i++)
		if (strcmp(handoff_engine_name((enum handoff_engine)i), name) == 0) {
			*out = (enum handoff_engine)i;
			return true;
		}
	return false;
}

static int add_program(const char *name, struct str_list *paths, struct err *e)
{
	enum handoff_engine engine;
	CLEANUP(mem_free_ptr) char *root = NULL;
	if (!find_engine(name, &engine)) {
		err_set(e, ERR_USAGE, "--from %s: no such program is known", name);
		return err_hint(e, "these are: " PROGRAMS "; or name the folder");
	}
	int rc = handoff_root(engine, &root, e);
	if (rc == 0 && !file_is_dir(root)) {
		rc = err_set(e, ERR_NOT_FOUND, "%s has no folder %s", handoff_engine_title(engine),
			     root);
		err_hint(e, "if its models are elsewhere, name that folder");
	}
	if (rc == 0)
		str_list_add(paths, root);
	return rc;
}

static int find_files(struct importing *x, struct err *e)
{
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < x->o->from.count; i++)
		rc = add_program(x->o->from.at[i], &paths, e);
	for (int i = 0; i < x->cli->count; i++)
		str_list_add(&paths, x->cli->operands[i]);
	if (rc == 0 && !paths.count) {
		rc = err_set(e, ERR_USAGE, "no file or folder is named");
		err_hint(e, "name one, or use --from with one of " PROGRAMS);
	}
	return rc < 0 ? rc : import_find(&x->client.store, paths.at, paths.count, &x->files, e);
}

/* -- the command ------------------------------------------------------------------------------- */

static int run_import(struct cli *cli, struct err *e)
{
	CLEANUP(importing_release) struct importing x = { .cli = cli, .o = cli->opts };
	const struct import_options options = {
		.dry_run = x.o->dry_run,
		.copy = x.o->copy,
		.move = x.o->move,
	};
	int rc = session_open(cli, x.o->repository, x.o->offline ? CLIENT_OFFLINE : CLIENT_ONLINE,
			      &x.client, e);
	if (rc == 0)
		rc = find_files(&x, e);
	if (rc == 0)
		rc = import_catalog_read(&x.client.remotes, &x.files, &x.catalog, e);
	if (rc == 0)
		rc = import_run(&x.client.store, &x.files, &x.catalog, &options, e);
	return rc < 0 ? rc : tell(&x, e);
}

const struct command cmd_store_import = {
	.name = "import",
	.summary = "take files that are on this machine already into the store",
	.synopsis = (const char *const[]){ "PATH…", "--from PROGRAM…", NULL },
	.description =
		"Files whose SHA-256 the catalog has become models of the store, without a copy: "
		"cloned where the file system can, else hard-linked. Folders are searched, also "
		"those of Ollama, LM Studio and the Hugging Face cache. Files that the catalog "
		"does not know are not touched.",
	.opts = import_opts,
	.opts_size = sizeof(struct import_opts),
	.operand_hint = HINT_FILE,
	.max_operands = -1,
	.run = run_import,
};
