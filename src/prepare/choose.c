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

/* Files from macOS and editors, and files that belong to a model but are not models. */
static bool is_by_side(const char *path)
{
	const char *base = path_base(path);
	return base[0] == '.' || str_starts(path, "__MACOSX/") || str_starts(base, "mmproj") ||
	       strstr(base, "imatrix");
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

static int several(const struct str_list *found, const char *name, struct err *e)
{
	CLEANUP(buf_release) struct buf list = BUF_INIT(4 * KIB);
	for (size_t i = 0; i < found->count && i < 6; i++) {
		buf_adds(&list, i ? ", " : "");
		text_escape(&list, found->at[i], strlen(found->at[i]));
	}
	if (found->count > 6)
		buf_addf(&list, " and %zu more", found->count - 6);
	err_set(e, ERR_USAGE, "%s contains several models: %.600s", name, buf_str(&list));
	return err_hint(e, "give one of them as SOURCE; unpack an archive first");
}

static void find_ggufs(const char *dir, const struct str_list *files, struct str_list *out)
{
	for (size_t i = 0; i < files->count; i++)
		if (ends_nocase(files->at[i], ".gguf") && !is_by_side(files->at[i]))
			str_list_add(out, files->at[i]);
	if (out->count)
		return;
	/* With another name it is recognised by its magic. */
	for (size_t i = 0; i < files->count; i++) {
		struct err ignored = ERR_INIT;
		enum sniff kind;
		CLEANUP(mem_free_ptr) char *path = path_join(dir, files->at[i]);
		if (!is_by_side(files->at[i]) && sniff_file(path, &kind, &ignored) == 0 &&
		    kind == SNIFF_GGUF)
			str_list_add(out, files->at[i]);
	}
}

static int pick_ggufs(struct str_list *found, const char *name, struct choose *out, struct err *e)
{
	for (size_t i = 1; i < found->count; i++)
		if (!same_set(found->at[0], found->at[i]))
			return several(found, name, e);
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
	CLEANUP(str_list_release) struct str_list found = { 0 };
	find_ggufs(dir, files, &found);
	if (found.count)
		return pick_ggufs(&found, name, out, e);
	find_hf_dirs(files, &found);
	if (found.count > 1)
		return several(&found, name, e);
	if (found.count == 1) {
		out->hf_dir = mem_strdup(found.at[0]);
		return 0;
	}
	return no_model(dir, files, name, e);
}

int choose_shards(const char *path, struct str_list *out, struct err *e)
{
	struct gguf_name name;
	if (!gguf_name_parse(path_base(path), &name) || name.shards < 2) {
		str_list_add(out, path);
		return 0;
	}
	size_t stem = strlen(path) - strlen("-00001-of-00001.gguf");
	for (unsigned i = 1; i <= name.shards; i++) {
		char *shard = mem_printf("%.*s-%05u-of-%05u.gguf", (int)stem, path, i, name.shards);
		str_list_take(out, shard);
		if (file_exists(shard))
			continue;
		err_set(e, ERR_NOT_FOUND, "%s is missing; %s is one of %u shards", shard,
			path_base(path), name.shards);
		return err_hint(e, "put all shards into one folder");
	}
	return 0;
}
