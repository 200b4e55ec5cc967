#include "handoff/internal.h"

#include "util/mem.h"
#include "util/path.h"

static const struct {
	const char *name, *title;
	handoff_draft_fn *draft;
	int (*root)(char **out, struct err *e);
	const char *below; /* home: the folder where nothing sets another */
} engines[HANDOFF_ENGINES] = {
	[HANDOFF_LLAMA_CPP] = { "llama.cpp", "llama.cpp", handoff_llama_cpp, handoff_llama_cpp_root,
				".local/share/llama.cpp/models" },
	[HANDOFF_HUGGINGFACE] = { "huggingface", "the Hugging Face cache", handoff_huggingface,
				  handoff_huggingface_root, ".cache/huggingface/hub" },
	[HANDOFF_OLLAMA] = { "ollama", "Ollama", handoff_ollama, handoff_ollama_root,
			     ".ollama/models" },
	[HANDOFF_LMSTUDIO] = { "lmstudio", "LM Studio", handoff_lmstudio, handoff_lmstudio_root,
			       ".lmstudio/models" },
	[HANDOFF_DIRECTORY] = { "directory", "a folder", handoff_directory, NULL, NULL },
};

const char *handoff_engine_name(enum handoff_engine engine)
{
	return engines[engine].name;
}

const char *handoff_engine_title(enum handoff_engine engine)
{
	return engines[engine].title;
}

handoff_draft_fn *handoff_draft_of(enum handoff_engine engine)
{
	return engines[engine].draft;
}

int handoff_root(enum handoff_engine engine, char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *root = NULL;
	if (!engines[engine].root)
		return err_set(e, ERR_USAGE, "--engine %s needs --to DIR", engines[engine].name);
	int rc = engines[engine].root(&root, e);
	if (rc == 0)
		*out = path_absolute(root);
	return rc;
}

char *handoff_root_of(enum handoff_engine engine, const char *home)
{
	return engines[engine].below ? path_join(home, engines[engine].below) : NULL;
}
