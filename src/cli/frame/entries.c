#include "cli/frame/cli.h"

const struct cli_entry cli_entries[] = {
	{ "repository", "look after the repositories that models come from",
	  "Use models" },
	{ "fetch", "download a model into the store, verified", "Use models" },
	{ "list", "list the models of the catalog", "Use models" },
	{ "show", "show all about one model", "Use models" },
	{ "run", "fetch a model if needed and run a program on it", "Use models" },
	{ "store", "look after the local store", "Use models" },
	{ "prepare", "turn a source into a GGUF with manifest and card", "Publish models" },
	{ "manifest", "create and check manifests and SHA256SUMS", "Publish models" },
	{ "catalog", "keep the signed catalog", "Publish models" },
	{ "push", "bring mirrors to the repository's state", "Publish models" },
	{ "verify", "check what the mirrors hold", "Publish models" },
	{ "mirror", "look at the configured mirrors", "Publish models" },
	{ NULL, NULL, NULL },
};
