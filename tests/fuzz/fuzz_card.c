#include "catalog/card.h"
#include "catalog/lint.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_own_files(const struct card *c, const char *folder)
{
	struct card_walk w = { .card = c };
	while (card_next_file(&w))
		if (!str_starts(w.file->path, folder) || strstr(w.file->path, "/../"))
			abort();
}

/* Every version is found by its number and its digest; what is accepted as a model's own has no
 * other files. */
static void look_at(const struct card *c)
{
	CLEANUP(mem_free_ptr) char *folder = card_target(c->id, "");
	struct err e = ERR_INIT;
	if (card_check_own(c, c->id, &e) == 0)
		check_own_files(c, folder);
	for (size_t i = 0; i < c->variant_count; i++) {
		const struct card_variant *v = &c->variants[i];
		char number[32];
		(void)card_withdrawn(c, v);
		for (size_t n = 0; n < v->superseded_count; n++) {
			const struct card_variant *old = &v->superseded[n];
			snprintf(number, sizeof number, "%llu", (unsigned long long)old->version);
			if (card_version(v, number) != old || !card_version(v, NULL))
				abort();
		}
	}
}

/* What `catalog add` makes of a card and an added one is a card. */
static void add(const struct card *card, const struct card *added, const char *label)
{
	CLEANUP(json_release) json_t *merged = json_deep_copy(card->json);
	CLEANUP(card_release) struct card after = { 0 };
	const struct card_versioning how = { .keep = 2, .label = label[0] ? label : NULL };
	struct err e = ERR_INIT;
	if (card_merge(merged, added->json, &e) < 0 ||
	    card_set_versions(merged, card, added, &how, &e) < 0)
		return;
	if (card_from_json(merged, "", &after, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		abort();
	}
	look_at(&after);
}

static void edit(const struct card *card, const char *assignment)
{
	CLEANUP(card_release) struct card other = { 0 };
	CLEANUP(json_release) json_t *edited = json_deep_copy(card->json);
	struct err e = ERR_INIT, refused = ERR_INIT;
	if (card_set(edited, assignment, &refused) < 0)
		return;
	/* What set accepts is a card, unless it made a second default. */
	if (card_from_json(edited, "", &other, &e) < 0 && !strstr(e.text, "is the default already"))
		abort();
	err_clear(&e);
	if (card_merge(edited, card->json, &e) < 0)
		abort();
}

/* The first line is an assignment for card_set() or a label, the rest a card, or two with a zero
 * byte between them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t head = end ? (size_t)(end - data) : 0;
	CLEANUP(mem_free_ptr) char *assignment = mem_strndup((const char *)data, head);
	CLEANUP(card_release) struct card card = { 0 }, added = { 0 };
	CLEANUP(lint_release) struct lint_findings findings = { 0 };
	struct err e = ERR_INIT;
	if (end)
		data += head + 1, size -= head + 1;
	const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
	size_t first = zero ? (size_t)(zero - data) : size;
	if (card_parse(data, first, "card", &card, &e) < 0)
		return 0;
	lint_card(&card, &findings);
	lint_cards(&card, 1, &findings);
	(void)card_variant(&card, NULL);
	look_at(&card);
	edit(&card, assignment);
	if (zero && card_parse(zero + 1, size - first - 1, "added", &added, &e) == 0)
		add(&card, &added, assignment);
	return 0;
}
