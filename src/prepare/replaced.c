#include "prepare/replaced.h"

#include "prepare/model.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* By the manifest beside it. */
static bool of_manifest(const char *dir, const char *name, struct digest *out)
{
	struct err ignored = ERR_INIT;
	CLEANUP(manifest_release) struct manifest m = { 0 };
	CLEANUP(mem_free_ptr) char *file = path_join(dir, name);
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s" MANIFEST_SUFFIX, file);
	if (!file_exists(file) || manifest_load(path, &m, &ignored) < 0)
		return false;
	*out = m.sha256;
	return true;
}

/* By the card, which may be all that is left. */
static bool of_card(const struct card *card, const char *variant, const char *name,
		    struct digest *out)
{
	const struct card_variant *v = card->json ? card_variant(card, variant) : NULL;
	for (size_t i = 0; v && i < v->file_count; i++)
		if (strcmp(v->files[i].name, name) == 0) {
			*out = v->files[i].sha256;
			return true;
		}
	return false;
}

static void tell(const struct prepare *p, const char *variant, const struct manifest *m,
		 const struct digest *before, struct prepare_result *result)
{
	char hex[DIGEST_HEX];
	CLEANUP(mem_free_ptr) char *text = mem_printf("it replaces other bytes of %s:%s, with the "
						      "SHA-256 %s; --variant gives the new "
						      "ones a name of their own",
						      p->name, variant, digest_hex(hex, before));
	model_warn(p->report, result, m->name, "replaced", text);
}

void replaced_tell(const struct prepare *p, const char *variant, const struct manifest *manifests,
		   size_t count, struct prepare_result *result)
{
	struct err ignored = ERR_INIT;
	CLEANUP(card_release) struct card card = { 0 };
	if (file_exists(result->card_path) && card_load(result->card_path, &card, &ignored) < 0)
		card = (struct card){ 0 };
	for (size_t i = 0; i < count; i++) {
		struct digest before;
		const struct manifest *m = &manifests[i];
		if ((of_manifest(result->output_dir, m->name, &before) ||
		     of_card(&card, variant, m->name, &before)) &&
		    !digest_equal(&before, &m->sha256))
			tell(p, variant, m, &before, result);
	}
}
