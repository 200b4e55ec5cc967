/*
 * The cache of the Hugging Face Hub, which llama.cpp (-hf ORG/NAME:QUANT --offline), transformers
 * and all other users of huggingface_hub read:
 *
 *   models--ORG--NAME/blobs/<sha256>
 *   models--ORG--NAME/snapshots/<commit>/<file>     symbolic link: ../../blobs/<sha256>
 *   models--ORG--NAME/refs/main                     the commit, 40 hexadecimal digits, no newline
 *
 * Everybody who looks for ORG/NAME reads refs/main first, so it is written last. The commit is made
 * from the name: all variants of a model are one repository there, with one snapshot. If
 * refs/main is another's, the cache has a download of that repository: nothing of it is changed,
 * and our files are not mixed into it; if it has the same files, they are used.
 *
 * llama.cpp takes any .gguf in which it finds the tag for a model, in sub-folders, too, but for
 * projectors ("mmproj" in the name): so adapters and other companions are left out.
 *
 * The blobs are hard links where possible: huggingface_hub before 1.0 removes a revision by
 * resolving its links to the end, which would be the file in the store.
 *
 * While it is online, llama.cpp writes the Hub's commit into refs/main, and then looks there.
 *
 * The folder: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub,
 * ~/.cache/huggingface/hub. llama.cpp alone looks in LLAMA_CACHE first.
 *
 * Sources: ggml-org/llama.cpp, 2026: common/hf-cache.cpp (get_cached_ref, get_cached_files,
 * is_valid_repo_id), common/download.cpp (find_best_model, find_best_sibling);
 * huggingface/huggingface_hub 1.x: constants.py, utils/_cache_manager.py (_scan_cached_repo),
 * utils/_validators.py (validate_repo_id), file_download.py (try_to_load_from_cache).
 */
#include "gguf/gguf.h"
#include "handoff/internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <ctype.h>
#include <string.h>

#define HUB "https://huggingface.co/"
#define COMMIT_DIGITS 40
#define NAME_MAX_BYTES 96

int handoff_huggingface_root(char **out, struct err *e)
{
	static const struct handoff_place places[] = {
		{ "HF_HUB_CACHE", NULL }, { "HUGGINGFACE_HUB_CACHE", NULL },
		{ "HF_HOME", "hub" },     { "XDG_CACHE_HOME", "huggingface/hub" },
		{ NULL, NULL },
	};
	return handoff_find_root(places, ".cache/huggingface/hub", out, e);
}

/* What both llama.cpp and huggingface_hub accept: letters, digits and '_', with single '-' and '.'
 * between them, one '/', and no name that ends in ".git". */
static bool is_name(const char *name)
{
	unsigned slashes = 0;
	bool after_mark = true;
	for (const char *p = name; *p; p++) {
		bool mark = *p == '/' || *p == '-' || *p == '.';
		if ((mark && after_mark) || (!mark && !isalnum((unsigned char)*p) && *p != '_'))
			return false;
		slashes += *p == '/';
		after_mark = mark;
	}
	return slashes == 1 && !after_mark && strlen(name) <= NAME_MAX_BYTES &&
	       !str_ends(name, ".git");
}

/* "org/name" of "https://huggingface.co/org/name/tree/main"; NULL for any other URL. */
static char *name_of_source(const char *url)
{
	if (!url || !str_starts(url, HUB))
		return NULL;
	const char *at = url + strlen(HUB), *slash = strchr(at, '/');
	if (!slash)
		return NULL;
	CLEANUP(mem_free_ptr) char *name =
		mem_strndup(at, (size_t)(slash - at) + 1 + strcspn(slash + 1, "/?#"));
	return is_name(name) ? STEAL(name) : NULL;
}

static int choose_name(const struct handoff_draft *d, char **out, struct err *e)
{
	const char *wanted = d->options->name;
	char *name = wanted ? mem_strdup(wanted) : name_of_source(d->options->source);
	if (!name)
		name = mem_printf("%s/%s", d->variant->repository, d->variant->model);
	if (is_name(name)) {
		*out = name;
		return 0;
	}
	err_set(e, ERR_USAGE, "'%s' is not a valid name for a repository on the Hugging Face Hub",
		name);
	free(name);
	return err_hint(e, "--name ORG/NAME gives it another name; '-' and '.' stand alone, "
			   "between letters, digits and '_'");
}

/* Of the name alone, so that variants which are linked one after the other share a snapshot. */
static void make_commit(const char *name, char out[COMMIT_DIGITS + 1])
{
	CLEANUP(mem_free_ptr) char *text = mem_printf("model-ferry %s", name);
	struct digest d;
	sha256_of(text, strlen(text), &d);
	hex_encode(out, d.bytes, COMMIT_DIGITS / 2);
}

/* The commit of an existing refs/main; false if there is none that anybody could use. */
static bool read_commit(const char *path, char out[COMMIT_DIGITS + 1])
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(1024);
	struct err ignored = ERR_INIT;
	uint8_t raw[COMMIT_DIGITS / 2];
	if (file_read_all(path, &text, &ignored) < 0 || !text.len)
		return false;
	text.data[strcspn(text.data, "\r\n")] = '\0';
	if (!hex_decode(raw, sizeof raw, text.data, true))
		return false;
	memcpy(out, text.data, COMMIT_DIGITS + 1);
	return true;
}

static char *file_name(const struct store_file *f)
{
	return handoff_is_role(f, "projector") ? handoff_projector_name(f->name)
					       : mem_strdup(f->name);
}

static void add_snapshot(const struct handoff_draft *d, const char *dir, const char *commit,
			 bool existing)
{
	const struct store_variant *v = d->variant;
	char hex[DIGEST_HEX];
	for (size_t i = 0; i < v->file_count; i++) {
		if (!handoff_is_for_all(&v->files[i]))
			continue;
		CLEANUP(mem_free_ptr) char *name = file_name(&v->files[i]);
		char *path = mem_printf("%s/snapshots/%s/%s", dir, commit, name);
		struct handoff_item *item = handoff_add_file(d, path, &v->files[i]);
		item->existing = existing;
		item->target = mem_printf("../../blobs/%s", digest_hex(hex, &v->files[i].sha256));
	}
}

static void add_blobs(const struct handoff_draft *d, const char *dir)
{
	const struct store_variant *v = d->variant;
	char hex[DIGEST_HEX];
	for (size_t i = 0; i < v->file_count; i++)
		if (handoff_is_for_all(&v->files[i]))
			handoff_add_file(d,
					 mem_printf("%s/blobs/%s", dir,
						    digest_hex(hex, &v->files[i].sha256)),
					 &v->files[i]);
}

/* llama.cpp looks for the tag in the names of the files; what it does not find there needs the
 * name. */
static char *describe_use(const char *name, const struct store_file *first)
{
	struct gguf_name parts;
	CLEANUP(mem_free_ptr) char *file = text_shell_quoted(first->name);
	if (gguf_name_parse(first->name, &parts) && parts.encoding[0])
		return mem_printf("llama-server -hf %s:%s --offline", name, parts.encoding);
	return mem_printf("llama-server -hf %s -hff %s --offline", name, file);
}

static void note_llama_cache(struct handoff *h)
{
	const char *cache = getenv("LLAMA_CACHE");
	if (!cache || !cache[0])
		return;
	CLEANUP(mem_free_ptr) char *root = path_absolute(cache);
	if (strcmp(root, h->layout.root) != 0)
		str_list_add(&h->notes, "LLAMA_CACHE is set, so llama.cpp looks there: --to "
					"\"$LLAMA_CACHE\" makes the links there");
}

static char *folder_of(const struct handoff_draft *d, const char *name)
{
	const char *slash = strchr(name, '/');
	return handoff_path(d, "models--%.*s--%s", (int)(slash - name), name, slash + 1);
}

int handoff_huggingface(const struct handoff_draft *d, struct err *e)
{
	struct handoff *h = d->out;
	const struct store_file *first = NULL;
	CLEANUP(mem_free_ptr) char *name = NULL;
	char ours[COMMIT_DIGITS + 1], theirs[COMMIT_DIGITS + 1];
	int rc = handoff_first(d, &first, e);
	if (rc == 0)
		rc = choose_name(d, &name, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *dir = folder_of(d, name);
	CLEANUP(mem_free_ptr) char *variant = handoff_variant_name(d->variant);
	CLEANUP(mem_free_ptr) char *ref = path_join(dir, "refs/main");
	make_commit(name, ours);
	bool foreign = read_commit(ref, theirs) && strcmp(ours, theirs) != 0;
	if (!foreign)
		add_blobs(d, dir);
	add_snapshot(d, dir, foreign ? theirs : ours, foreign);
	if (!foreign)
		handoff_add_text(h, STEAL(ref), mem_strdup(ours));
	h->layout.name = mem_printf("%s:%s", name, variant);
	h->open = mem_printf("%s/snapshots/%s/%s", dir, foreign ? theirs : ours, first->name);
	h->use = describe_use(name, first);
	handoff_note_left_out(d);
	note_llama_cache(h);
	return 0;
}
