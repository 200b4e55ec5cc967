#include "repository/internal.h"
#include "repository/stage_internal.h"

int stage_set_document(struct staging *s, const char *target, const struct buf *text, struct err *e)
{
	struct digest sha256;
	sha256_of(buf_str(text), text->len, &sha256);
	int rc = repository_put(s->dir, target, text->data, text->len, &sha256, e);
	return rc < 0 ? rc : writer_target_set(s->w, TARGETS, target, text->len, &sha256, e);
}
