#include "prepare/choose.h"

#include "gguf/gguf.h"
#include "gguf/sniff.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

void choose_release(struct choose *p)
{
	str_list_release(&p->files);
	free(p->hf_dir);
	*p = (struct choose){ 0 };
}

static bool ends_nocase(const char *s, const char *suffix)
{
	size_t a = strlen(s), b = strlen(suffix);
	return a >= b && str_eq_nocase(s + a - b, suffix);
}

/* Files from macOS and editors. */
static bool is_hidden(const char *path)
{
	return path_base(path)[0] == '.' || str_starts(path, "__MACOSX/");
}

/* NULL when it is damaged. */
static struct gguf *open_header(const char *path)
{
	struct err ignored = ERR_INIT;
	CLEANUP(file_close) int fd = -1;
	struct gguf *g = NULL;
	uint64_t size;
	if (file_open_regular(path, &fd, &size, &ignored) < 0 ||
	    gguf_open_fd(fd, path, &g, &ignored) < 0)
		return NULL;
	return g;
}

/* Only the first rank that a folder has is taken. */
enum rank { RANK_MODEL, RANK_DOUBTFUL, RANK_BY_SIDE, RANKS };

/* An adapter, a projector, an importance matrix, a vocabulary: they belong to a model but are not
 * models, whatever their names are. A name counts only where the content does not tell. */
static enum rank rank_of(const char *dir, const char *name)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
	CLEANUP_PTR(gguf_free) struct gguf *g = open_header(path);
	if (g && gguf_kind(g) != GGUF_KIND_MODEL)
		return RANK_BY_SIDE;
	if (str_starts(path_base(name), "mmproj") || (!g && strstr(path_base(name), "imatrix")))
		return RANK_DOUBTFUL;
	return RANK_MODEL;
}

/* Same folder and same name except for the number of the shard. */
static bool same_set(const char *a, const char *b)
{
	struct gguf_name x, y;
	size_t dir_a = (size_t)(path_base(a) - a), dir_b = (size_t)(path_base(b) - b);
	size_t len = strlen(a);
	if (!gguf_name_parse(path_base(a), &x) || !gguf_name_parse(path_base(b), &y) ||
	    x.shards < 2 || x.shards != y.shards || dir_a != dir_b || len != strlen(b))
		return false;
	/* "-00001-of-00003.gguf" has 20 bytes; the number comes after the first. */
	size_t at = len - 19;
	return memcmp(a, b, at) == 0 && strcmp(a + at + 5, b + at + 5) == 0;
}

static int several(const struct str_list *found, const char *name, bool models, struct err *e)
{
	CLEANUP(buf_release) struct buf list = BUF_INIT(4 * KIB);
	for (size_t i = 0; i < found->count && i < 6; i++) {
		buf_adds(&list, i ? ", " : "");
		text_escape(&list, found->at[i], strlen(found->at[i]));
	}
	if (found->count > 6)
		buf_addf(&list, " and %zu more", found->count - 6);
	err_set(e, ERR_USAGE, "%s contains %s: %.600s", name,
		models ? "several models" : "no model, but several files that belong to one",
		buf_str(&list));
	return err_hint(e, "give one of them as SOURCE; unpack an archive first");
}

/* By their endings; if no name has it, by their magic. */
static void list_ggufs(const char *dir, const struct str_list *files, struct str_list *out)
{
	for (size_t i = 0; i < files->count; i++)
		if (ends_nocase(files->at[i], ".gguf") && !is_hidden(files->at[i]))
			str_list_add(out, files->at[i]);
	if (out->count)
		return;
	for (size_t i = 0; i < files->count; i++) {
		struct err ignored = ERR_INIT;
		enum sniff kind;
		CLEANUP(mem_free_ptr) char *path = path_join(dir, files->at[i]);
		if (!is_hidden(files->at[i]) && sniff_file(path, &kind, &ignored) == 0 &&
		    kind == SNIFF_GGUF)
			str_list_add(out, files->at[i]);
	}
}

/* Models; if there are none, what else is a GGUF. */
static void find_ggufs(const char *dir, const struct str_list *files, struct str_list *out)
{
	CLEANUP(str_list_release) struct str_list all = { 0 };
	list_ggufs(dir, files, &all);
	CLEANUP(mem_free_ptr) enum rank *ranks = mem_alloc((all.count + 1) * sizeof *ranks);
	for (size_t i = 0; i < all.count; i++)
		ranks[i] = rank_of(dir, all.at[i]);
	for (enum rank rank = RANK_MODEL; !out->count && rank < RANKS; rank++)
		for (size_t i = 0; i < all.count; i++)
			if (ranks[i] == rank)
				str_list_add(out, all.at[i]);
}

/* The number of shards that the file itself says its model has; 1: it is whole. 0: damaged. */
static uint64_t shards_inside(const char *path)
{
	CLEANUP_PTR(gguf_free) struct gguf *g = open_header(path);
	uint64_t count;
	if (!g)
		return 0;
	return gguf_get_u64(g, "split.count", &count) && count ? count : 1;
}

/* Shards under any names: there are as many as each of them says. */
static bool is_one_model(const char *dir, const struct str_list *found)
{
	bool one = true;
	for (size_t i = 1; one && i < found->count; i++)
		one = same_set(found->at[0], found->at[i]);
	for (size_t i = 0; !one && i < found->count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, found->at[i]);
		if (shards_inside(path) != found->count)
			return false;
	}
	return true;
}

static int pick_ggufs(const char *dir, struct str_list *found, const char *name, struct choose *out,
		      struct err *e)
{
	if (!is_one_model(dir, found))
		return several(found, name, rank_of(dir, found->at[0]) != RANK_BY_SIDE, e);
	qsort(found->at, found->count, sizeof *found->at, str_compare);
	out->files = *found;
	*found = (struct str_list){ 0 };
	return 0;
}

static bool has_in(const struct str_list *files, const char *dir, const char *ending)
{
	for (size_t i = 0; i < files->count; i++) {
		CLEANUP(mem_free_ptr) char *at = path_dir(files->at[i]);
		if (strcmp(at, dir) == 0 && ends_nocase(files->at[i], ending))
			return true;
	}
	return false;
}

static void find_hf_dirs(const struct str_list *files, struct str_list *out)
{
	for (size_t i = 0; i < files->count; i++) {
		CLEANUP(mem_free_ptr) char *at = path_dir(files->at[i]);
		if (strcmp(path_base(files->at[i]), "config.json") == 0 &&
		    has_in(files, at, ".safetensors"))
			str_list_add(out, at);
	}
}

static int no_model(const char *dir, const struct str_list *files, const char *name, struct err *e)
{
	bool pytorch = false, weights = false, config = false;
	for (size_t i = 0; i < files->count; i++) {
		const char *base = path_base(files->at[i]);
		pytorch = pytorch || strcmp(base, "data.pkl") == 0 || str_ends(base, ".pth") ||
			  (str_starts(base, "pytorch_model") && str_ends(base, ".bin"));
		weights = weights || str_ends(base, ".safetensors");
		config = config || strcmp(base, "config.json") == 0;
	}
	if (pytorch) {
		err_set(e, ERR_INTEGRITY,
			"%s contains PyTorch weights, which are Python pickles and can run "
			"arbitrary code when they are opened",
			name);
		return err_hint(e, "get the model as safetensors or GGUF");
	}
	if (weights || config) {
		err_set(e, ERR_INTEGRITY, "%s holds %s", name,
			weights ? "safetensors without config.json"
				: "a config.json without *.safetensors");
		return err_hint(e, "get the complete folder: config.json, the tokenizer's files "
				   "and *.safetensors");
	}
	if (files->count == 1) {
		/* A single file of another kind: say what it is. */
		CLEANUP(mem_free_ptr) char *path = path_join(dir, files->at[0]);
		CLEANUP(mem_free_ptr) char *what = mem_printf("%s in %s", files->at[0], name);
		enum sniff kind;
		int rc = sniff_file(path, &kind, e);
		return rc < 0 ? rc : sniff_refuse_file(kind, path, what, e);
	}
	err_set(e, ERR_INTEGRITY, "%s contains no model", name);
	return err_hint(e, "expected a GGUF, or a folder with config.json and *.safetensors");
}

int choose_model(const char *dir, const struct str_list *files, const char *name,
		 struct choose *out, struct err *e)
{
	CLEANUP(str_list_release) struct str_list ggufs = { 0 }, folders = { 0 };
	find_ggufs(dir, files, &ggufs);
	find_hf_dirs(files, &folders);
	/* What is beside it or above is the original; sub-folders often hold what was made of it.
	 */
	if (str_list_has(&folders, ".") && !has_in(&ggufs, ".", "")) {
		out->hf_dir = mem_strdup(".");
		return 0;
	}
	if (ggufs.count)
		return pick_ggufs(dir, &ggufs, name, out, e);
	if (folders.count > 1)
		return several(&folders, name, true, e);
	if (folders.count == 1) {
		out->hf_dir = mem_strdup(folders.at[0]);
		return 0;
	}
	return no_model(dir, files, name, e);
}

/* Beside the file, with the same ending ("….GGUF"). */
static void add_siblings(const char *path, unsigned shards, struct str_list *out)
{
	const char *end = path + strlen(path) - strlen(".gguf");
	size_t stem = (size_t)(end - path) - strlen("-00001-of-00001");
	for (unsigned i = 1; i <= shards; i++)
		str_list_take(out,
			      mem_printf("%.*s-%05u-of-%05u%s", (int)stem, path, i, shards, end));
}

int choose_shards(const char *path, struct str_list *out, struct err *e)
{
	struct gguf_name name;
	bool named = gguf_name_parse(path_base(path), &name) && name.shards > 1;
	/* Not a shard, whatever its name is: merged, or renamed. */
	if (!named || shards_inside(path) == 1) {
		str_list_add(out, path);
		return 0;
	}
	add_siblings(path, name.shards, out);
	for (size_t i = 0; i < out->count; i++) {
		if (file_exists(out->at[i]))
			continue;
		err_set(e, ERR_NOT_FOUND, "%s is missing; %s is one of %u shards", out->at[i],
			path_base(path), name.shards);
		return err_hint(e, "put all shards into one folder");
	}
	return 0;
}
