#include "catalog/changes.h"
#include "repository/internal.h"

/* Manifests that are gone or damaged leave the version less well known: that is no reason not to
 * add a new one. */
static void read_side(const char *dir, struct changes_side *side)
{
	for (size_t i = 0; i < card_model_files(side->variant); i++) {
		struct err unread = ERR_INIT;
		CLEANUP(buf_release) struct buf text = BUF_INIT(MANIFEST_MAX_BYTES);
		CLEANUP(manifest_release) struct manifest m = { 0 };
		const struct card_file *f = &side->variant->files[i];
		int rc = repository_manifest_read(dir, side->card->id, f, &text, &unread);
		if (rc == 0)
			rc = manifest_parse(buf_str(&text), text.len, f->name, &m, &unread);
		if (rc < 0)
			return;
		changes_side_add(side, &m);
	}
}

void repository_describe_version(const char *dir, const struct card *before,
				 const struct card *after, const char *variant)
{
	CLEANUP(changes_side_release)
	struct changes_side was = { .card = before, .variant = card_variant(before, variant) };
	CLEANUP(changes_side_release)
	struct changes_side is = { .card = after, .variant = card_variant(after, variant) };
	if (!was.variant || was.variant->file_count == 0 ||
	    card_same_files(was.variant, is.variant))
		return;
	read_side(dir, &was);
	read_side(dir, &is);
	json_t *changes = changes_between(&was, &is);
	json_t *json = json_array_get(json_object_get(after->json, "variants"),
				      (size_t)(is.variant - after->variants));
	if (json_array_size(changes))
		json_put(json, "changes", json_incref(changes));
	json_decref(changes);
}
