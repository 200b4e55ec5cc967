/*
 * How a person joins a repository: where it is, and the SHA-256 of its first root, 1.root.json.
 * Either as one URL,
 *
 *   https://models.example.org/#sha256=<64 hex digits>
 *
 * or as a small file, NAME.ferry, which is the section of ferry.conf that joining writes:
 *
 *   [repository.ai-brother]
 *   metadata = https://models.example.org/
 *       https://backup.example.org/models/
 *   root-sha256 = <64 hex digits>
 *
 * What always holds here: neither gives trust by itself. The digest is worth as much as the channel
 * that it came over, which only a person can judge.
 */
#ifndef FERRY_SETTINGS_JOIN_H
#define FERRY_SETTINGS_JOIN_H

#include "hash/sha256.h"
#include "settings/conf.h"

#define JOIN_FILE_SUFFIX ".ferry"
#define JOIN_FILE_MAX_BYTES (16 * KIB)
#define JOIN_MAX_URLS 64

struct join {
	char *name;           /* that the publisher gives it; or NULL */
	struct str_list urls; /* not checked: they may be no URLs */
	struct digest root;
};
void join_release(struct join *j);

/* Splits "URL#sha256=HEX". *url is what is in front of the '#', or the whole word if it has none;
 * the caller frees. *has_root: there is a digest, in *root. ERR_USAGE when there is something else
 * behind the '#', or a digest that was damaged on its way. */
WARN_UNUSED int join_split(const char *word, char **url, bool *has_root, struct digest *root,
			   struct err *e);

/* Does the path or URL name such a file? */
bool join_is_file(const char *word);

/* Reads such a file. `from_net`: it came from a URL, so it must not name files of this machine;
 * otherwise, a folder may take the place of a URL, relative to that of `what`, its path. ERR_USAGE
 * when it is none, or says more than how to join one repository. */
WARN_UNUSED int join_parse(const char *text, size_t len, const char *what, bool from_net,
			   struct join *out, struct err *e);

/* "https://models.example.org/#sha256=…", without user name and password. The caller frees. */
char *join_url(const char *base, const struct digest *root);
/* The words of the command: "ferry", "repository", "add", and that URL. */
void join_command(const char *base, const struct digest *root, struct str_list *out);
/* The section. The name must be set. */
void join_section(const struct join *j, struct buf *out);
/* The file, with comments that say what it is for; title may be NULL. */
void join_write(const struct join *j, const char *title, struct buf *out);

/* For people to compare: two lines of eight groups of four digits, with `between` between them.
 * The caller frees. */
char *join_fingerprint(const struct digest *root, const char *between);

#endif
