/*
 * llama.cpp, in one folder for all models: `llama-server --models-dir DIR` offers each sub-folder
 * as one model, by the name of the sub-folder.
 *
 *   DIR/<model>-<variant>/<file>.gguf       all shards, and the projector, under their names
 *   DIR/<model>-<variant>/<role>/<file>     adapters and others: below, where it does not look
 *
 * Of the files of a sub-folder, the one with "mmproj" in its name is the projector, one with
 * "-00001-of-" the model, else the last other one: so nothing else may be there. Shards are found
 * by the name of the first. The variable for --models-dir is LLAMA_ARG_MODELS_DIR; without it,
 * llama.cpp has no folder of its own.
 *
 * Sources: ggml-org/llama.cpp, 2026: common/preset.cpp (load_from_models_dir), common/arg.cpp
 * (--models-dir), src/llama-model-loader.cpp (splits).
 */
#include "handoff/internal.h"

#include "util/mem.h"
#include "util/path.h"

int handoff_llama_cpp_root(char **out, struct err *e)
{
	static const struct handoff_place places[] = {
		{ "LLAMA_ARG_MODELS_DIR", NULL },
		{ "XDG_DATA_HOME", "llama.cpp/models" },
		{ NULL, NULL },
	};
	return handoff_find_root(places, ".local/share/llama.cpp/models", out, e);
}

int handoff_llama_cpp(const struct handoff_draft *d, struct err *e)
{
	struct handoff *h = d->out;
	const char *open = NULL;
	int rc = handoff_plain_name(d, &h->layout.name, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *dir = path_join(h->layout.root, h->layout.name);
	rc = handoff_add_folder(d, dir, true, &open, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *root = text_shell_quoted(h->layout.root);
	h->open = mem_strdup(open);
	h->use = mem_printf("llama-server --models-dir %s", root);
	return 0;
}
