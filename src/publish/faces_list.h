/* faces_list: the files of the faces (faces.h) of a release; and faces.json, the list of those that
 * a mirror has. */
#ifndef FERRY_PUBLISH_FACES_LIST_H
#define FERRY_PUBLISH_FACES_LIST_H

#include "publish/publication.h"

struct faces_item {
	char *key;
	const char *type; /* media type */
	struct digest sha256;
	struct buf bytes; /* of a document */
	char *from;       /* key of the model file that it is a copy of; NULL: a document */
	int64_t unused_s; /* since when no release needs it; 0: this one does */
};

struct faces_list {
	struct faces_item *at;
	size_t count, cap;
};
void faces_list_release(struct faces_list *l);
/* By key, in a sorted list; NULL: it is not there. */
struct faces_item *faces_list_find(const struct faces_list *l, const char *key);

/* folder: the names are those of a folder. The list is sorted by key. */
WARN_UNUSED int faces_list_make(const struct tree *t, const struct publication *p, unsigned faces,
				bool folder, struct faces_list *out, struct err *e);

/* ERR_INTEGRITY: it is no such list, or names what a face never has. */
WARN_UNUSED int faces_list_parse(const void *data, size_t len, struct faces_list *out,
				 struct err *e);
WARN_UNUSED int faces_list_write(const struct faces_list *l, struct buf *out, struct err *e);

#endif
