#include "repository/stage_internal.h"

#include "util/mem.h"
#include "util/path.h"

#include <string.h>

void stage_cards_release(struct stage_cards *s)
{
	staged_release(&s->before);
	staged_release(&s->after);
	repository_cards_release(&s->changed);
	free(s->marks);
	seen_close(&s->seen);
	*s = (struct stage_cards){ 0 };
}

static const struct staged_model *entry_of(const struct stage_cards *s, const char *name)
{
	CLEANUP(mem_free_ptr) char *id = mem_strndup(name, strlen(name) - strlen(CARD_SUFFIX));
	return staged_find(&s->before, id);
}

/* The mark is taken first: a change while the card is read is found the next time. */
static int read_card(const char *dir, const char *name, struct stage_cards *s, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/cards/%s", dir, name);
	struct mark *m = &s->marks[s->changed.count];
	if (!mark_of(path, true, m))
		*m = (struct mark){ 0 };
	return repository_card_append(dir, name, &s->changed, e);
}

static int read_cards(const char *dir, const struct str_list *names, struct stage_cards *s,
		      struct err *e)
{
	int rc = 0;
	s->marks = mem_alloc((names->count + 1) * sizeof *s->marks);
	for (size_t i = 0; rc == 0 && i < names->count; i++) {
		const struct staged_model *m = entry_of(s, names->at[i]);
		if (m && staged_is_unchanged(m, dir, &s->seen))
			staged_keep(&s->after, m);
		else
			rc = read_card(dir, names->at[i], s, e);
	}
	return rc;
}

int stage_cards_read(const char *dir, const struct writer *w, const struct repository_signing *how,
		     struct stage_cards *out, struct err *e)
{
	CLEANUP(stage_cards_release) struct stage_cards s = { 0 };
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct digest key;
	staged_open(&s.before, dir);
	seen_open(&s.seen, dir);
	int rc = staged_key(w, how, &key, e);
	s.incremental = rc == 0 && s.before.count && !writer_changed(w) &&
			digest_equal(&key, &s.before.key) && stage_has_documents(dir, w);
	if (!s.incremental)
		staged_release(&s.before);
	if (rc == 0)
		rc = repository_card_names(dir, &names, e);
	if (rc == 0)
		rc = read_cards(dir, &names, &s, e);
	if (rc < 0)
		return rc;
	*out = s;
	s = (struct stage_cards){ 0 };
	return 0;
}
