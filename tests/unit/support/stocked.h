/* A store with variants in it, for tests. */
#ifndef FERRY_TESTS_STOCKED_H
#define FERRY_TESTS_STOCKED_H

#include "store/store.h"

struct stocked {
	char *dir; /* scratch; the store is <dir>/home */
	struct store store;
	struct clock clock; /* of the store: it shows now_s */
	int64_t now_s;
};
struct stocked *stocked_new(void);
void stocked_free(struct stocked *s);

/* Stores "r/MODEL:VARIANT" of files "0.gguf", "1.gguf", … with these texts, NULL-ended. The caller
 * releases what it returns. */
struct store_variant stocked_add(struct stocked *s, const char *model, const char *variant,
				 const char *const *texts);
/* Is a blob with this text there? */
bool stocked_has(const struct stocked *s, const char *text);
/* Its path; the caller frees. */
char *stocked_blob(const struct stocked *s, const char *text);
/* Writes a file with this text at a path below the store. */
void stocked_put(const struct stocked *s, const char *name, const char *text);

#endif
