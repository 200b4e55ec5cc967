/* Uploads of the kind github: shared by github_upload.c and github_commit.c. */
#ifndef FERRY_MIRROR_GITHUB_UPLOAD_H
#define FERRY_MIRROR_GITHUB_UPLOAD_H

#include "mirror/github.h"
#include "mirror/stream.h"

/*
 * An object of several pieces is sent while they come: each part is one request (stream.h). Its
 * only or first part has another name until the commit renames it (github_name_pending), so no
 * reader sees an object that is not complete. The next upload finds the parts that are there.
 *
 * An object of one piece is kept in memory and sent by the commit. So is one whose name does not
 * contain its digest, because two of those may be on their way under one name.
 */
struct mirror_github_part {
	enum {
		PART_MISSING,
		PART_THERE,
		PART_DOUBTFUL, /* the asset's digest is compared when its pieces come */
		PART_WRONG,    /* to be removed before it is sent */
	} state;
	uint64_t id;
	struct digest sha256; /* of the asset */
};

struct mirror_github_upload {
	char *tag;
	struct mirror_github_release *release; /* NULL: it has not been made */
	bool split;                            /* into parts */
	uint32_t count;                        /* assets; at least 1 */
	struct mirror_github_part *parts;
	uint8_t *whole; /* all bytes, if they are kept; else NULL */
	bool listed;    /* among those that are being sent */

	/* The part that is being sent or compared. */
	bool is_open;
	uint32_t open;
	uint32_t hashed, fed; /* the next piece to be hashed, and to be given to the stream */
	struct sha256 *hash;
	struct mirror_stream *stream; /* NULL: it is compared */
	struct mirror_github_target target;
};

/* The name of the part, before the commit or after it. The caller frees it. */
char *mirror_github_part_name(const struct mirror_upload *u, uint32_t part, bool pending);
/* What to send as this part. Nothing is sent yet. */
void mirror_github_part_target(const struct mirror_upload *u, uint32_t part, bool pending,
			       struct mirror_github_target *out);
/* Makes the release, if that was not done. */
WARN_UNUSED int mirror_github_need_release(struct mirror_connection *c, struct mirror_upload *u,
					   struct err *e);

#endif
