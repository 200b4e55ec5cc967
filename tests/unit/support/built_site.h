/*
 * A site that site_make() made of a catalog, in memory.
 */
#ifndef FERRY_TESTS_BUILT_SITE_H
#define FERRY_TESTS_BUILT_SITE_H

#include "site/site.h"
#include "util/text.h"

struct built_site {
	struct catalog catalog;
	struct site site; /* of the catalog; tests may change it before they make the site */
	struct str_list paths, files;
};

/* A catalog "lab" with these models, JSON objects with commas between them, and a mirror
 * https://m.example.org/lab. BUILT_MODEL makes such an object. */
void built_site_init(struct built_site *b, const char *models);
/* The same with `count` models "m0001" and so on, with this text behind their ids ("" or
 * ",\"family\":\"phi\""); %zu in it is the model's number. */
void built_site_init_many(struct built_site *b, size_t count, const char *members);
void built_site_make(struct built_site *b);
void built_site_release(struct built_site *b);

/* NULL: there is no such file. */
const char *built_site_find(const struct built_site *b, const char *path);
/* Fails if there is none. */
const char *built_site_file(const struct built_site *b, const char *path);
void built_site_has(const struct built_site *b, const char *path, const char *text);
void built_site_lacks(const struct built_site *b, const char *path, const char *text);

/* A model and a file of a variant, in JSON. */
#define BUILT_MODEL(members) "{\"format\":\"model-ferry-card\",\"version\":1," members "}"
#define BUILT_FILE(path) \
	"{\"path\":\"" path "\",\"size\":2147483648,\"sha256\":" \
	"\"00000000000000000000000000000000000000000000000000000000000000ab\"}"

#endif
