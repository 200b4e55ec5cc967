/*
 * LM Studio:
 *
 *   models/<publisher>/<model>/<file>.gguf     exactly two folders deep; the projector beside it
 *
 * Its own `lms import` makes symbolic links to files, too (--symbolic-link). Links to folders are
 * not followed, and a link that leads nowhere makes it ask for another folder. The folder of all
 * models is "downloadsFolder" in settings.json, else models/, of its home: what the first line of
 * ~/.lmstudio-home-pointer says, else ~/.lmstudio, else (of old versions) ~/.cache/lm-studio.
 *
 * Sources: https://lmstudio.ai/docs/app/advanced/import-model, https://lmstudio.ai/docs/cli
 * (lms import), lmstudio-ai/lms src/lmstudioPaths.ts, lmstudio-ai/lmstudio-bug-tracker #97, #263,
 * #406 (versions 0.3 and 0.4).
 */
#include "handoff/internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define POINTER_MAX_BYTES 8192
#define SETTINGS_MAX_BYTES (4 * MIB)

/* NULL unless the file names a folder that exists. */
static char *read_pointer(const char *home)
{
	CLEANUP(mem_free_ptr) char *path = path_join(home, ".lmstudio-home-pointer");
	CLEANUP(buf_release) struct buf text = BUF_INIT(POINTER_MAX_BYTES);
	struct err ignored = ERR_INIT;
	if (file_read_all(path, &text, &ignored) < 0 || !text.len)
		return NULL;
	text.data[strcspn(text.data, "\r\n")] = '\0';
	return text.data[0] == '/' && file_is_dir(text.data) ? mem_strdup(text.data) : NULL;
}

static char *find_home(const char *home)
{
	char *pointed = read_pointer(home);
	if (pointed)
		return pointed;
	CLEANUP(mem_free_ptr) char *now = path_join(home, ".lmstudio");
	CLEANUP(mem_free_ptr) char *before = path_join(home, ".cache/lm-studio");
	return !file_is_dir(now) && file_is_dir(before) ? STEAL(before) : STEAL(now);
}

/* The folder that a person chose in the application; NULL: the usual one. */
static char *chosen_folder(const char *lmstudio)
{
	CLEANUP(mem_free_ptr) char *path = path_join(lmstudio, "settings.json");
	CLEANUP(json_release) json_t *settings = NULL;
	struct err ignored = ERR_INIT;
	if (json_lenient_file(path, SETTINGS_MAX_BYTES, &settings, &ignored) < 0)
		return NULL;
	const char *folder = json_text(settings, "downloadsFolder");
	return folder && folder[0] == '/' ? mem_strdup(folder) : NULL;
}

int handoff_lmstudio_root(char **out, struct err *e)
{
	static const struct handoff_place none[] = { { NULL, NULL } };
	CLEANUP(mem_free_ptr) char *home = NULL;
	int rc = handoff_find_root(none, "", &home, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *lmstudio = find_home(home);
	*out = chosen_folder(lmstudio);
	if (!*out)
		*out = path_join(lmstudio, "models");
	return 0;
}

/* "publisher/model": two safe names. */
static bool is_name(const char *name)
{
	const char *slash = strchr(name, '/');
	CLEANUP(mem_free_ptr) char *publisher = slash ? mem_strndup(name, (size_t)(slash - name))
						      : NULL;
	return slash && !strchr(slash + 1, '/') && path_is_name(publisher) &&
	       path_is_name(slash + 1) && publisher[0] != '.' && slash[1] != '.';
}

int handoff_lmstudio(const struct handoff_draft *d, struct err *e)
{
	const struct store_variant *v = d->variant;
	struct handoff *h = d->out;
	const char *open = NULL;
	CLEANUP(mem_free_ptr) char *variant = handoff_variant_name(v);
	h->layout.name = d->options->name
				 ? mem_strdup(d->options->name)
				 : mem_printf("%s/%s-%s", v->repository, v->model, variant);
	if (!is_name(h->layout.name))
		return err_set(e, ERR_USAGE,
			       "'%s' is not a valid name for LM Studio, which has the form "
			       "PUBLISHER/MODEL",
			       h->layout.name);
	CLEANUP(mem_free_ptr) char *dir = path_join(h->layout.root, h->layout.name);
	int rc = handoff_add_folder(d, dir, false, &open, e);
	if (rc < 0)
		return rc;
	handoff_note_left_out(d);
	h->open = mem_strdup(open);
	h->use = mem_printf("LM Studio lists it as %s", h->layout.name);
	return 0;
}
