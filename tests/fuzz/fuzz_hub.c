/* What the Hub answers, its links, and the names that people give: what is picked has names that
 * can be written. */
#include "hub/pick.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_files(const char *text, size_t len, const char *file)
{
	struct err e = ERR_INIT;
	char repo[] = "o/r", revision[] = "main";
	const struct hub_name name = { .repo = repo, .revision = revision, .file = (char *)file };
	CLEANUP(hub_files_release) struct hub_files files = { 0 };
	CLEANUP(hub_pick_release) struct hub_pick p = { 0 };
	(void)!hub_answer_files(text, len, "answer", &files, &e);
	for (size_t i = 0; i < files.count; i++)
		if (!path_is_key(files.at[i].path))
			abort();
	err_clear(&e);
	if (hub_pick(&files, &name, "m", &p, &e) == 0 && !p.count)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *text = mem_strndup((const char *)data, size);
	CLEANUP(hub_model_release) struct hub_model m = { 0 };
	CLEANUP(hub_name_release) struct hub_name n = { 0 };
	try_files(text, size, NULL);
	try_files(text, size, "Q4_K_M");
	if (hub_answer_model(text, size, "answer", &m, &e) == 0 &&
	    (!hub_name_is_repo(m.repo) || !hub_name_is_commit(m.commit)))
		abort();
	err_clear(&e);
	free(hub_answer_next(text));
	free(hub_name_of_page(text));
	if (hub_name_is(text) && hub_name_parse(text, &n, &e) == 0 && !hub_name_is_repo(n.repo))
		abort();
	return 0;
}
