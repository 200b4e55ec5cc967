/*
 * A mirror in memory with all capabilities, for tests: with access to its content, a record of
 * calls, and injected faults. The contract suite tests it like the real kinds.
 */
#ifndef FERRY_TESTS_MIRROR_MEM_H
#define FERRY_TESTS_MIRROR_MEM_H

#include "mirror/mirror.h"
#include "util/text.h"

/* PUT: the commit of an upload; OPEN and PIECE: its beginning and each piece; COPY_PIECE: a piece
 * that is copied, the key is that of the upload. */
enum mem_call {
	MEM_ANY,
	MEM_STAT,
	MEM_GET,
	MEM_PUT,
	MEM_COPY,
	MEM_LIST,
	MEM_REMOVE,
	MEM_OPEN,
	MEM_PIECE,
	MEM_COPY_PIECE
};

enum mem_harm {
	MEM_FAIL,  /* the call fails with the class, nothing done */
	MEM_CUT,   /* get: fails with the class after `at` bytes; put: the pieces came over,
		      but the object is not there */
	MEM_FLIP,  /* get: the byte at offset `at` of the object arrives changed;
		      put, copy of a piece: it is stored changed */
	MEM_SLOW,  /* get: takes `at` milliseconds, and fails when the deadline is sooner */
	MEM_AFTER, /* the call is done, but fails with the class: its answer was lost */
};

struct mem_fault {
	enum mem_call call;
	const char *key; /* borrowed; NULL: any */
	unsigned skip;   /* this many matching calls pass first */
	unsigned times;  /* then this many fail; 0: once; UINT_MAX: all */
	enum mem_harm harm;
	enum err_class class; /* 0: ERR_NETWORK */
	uint64_t at;          /* bytes, or milliseconds */
};

/* Shared by all handles; outlives them. */
struct mirror_mem;
struct mirror_mem *mirror_mem_new(void);
void mirror_mem_free(struct mirror_mem *s);
DEFINE_CLEANUP(struct mirror_mem, mirror_mem_free);

/* A handle on it; s is borrowed. */
struct mirror *mirror_mem_open(struct mirror_mem *s, const char *id);

/* Adds a fault; the first that matches a call applies. */
void mirror_mem_fault(struct mirror_mem *s, const struct mem_fault *fault);
void mirror_mem_mend(struct mirror_mem *s); /* no faults any more */

/* The first n calls of this kind for the key, or below it (targets/), wait for each other: they run
 * at the same time. If fewer come, they give up after a while. */
void mirror_mem_gather(struct mirror_mem *s, enum mem_call call, const char *key, unsigned n);
/* Did they come together? */
bool mirror_mem_gathered(struct mirror_mem *s);
/* The largest number of calls that ran at the same time. */
unsigned mirror_mem_most_at_once(struct mirror_mem *s);
/* How many pieces were stored, of any object. */
unsigned mirror_mem_pieces(struct mirror_mem *s);

/* Direct access to an object. NULL when there is none; borrowed. */
const struct buf *mirror_mem_object(const struct mirror_mem *s, const char *key);
void mirror_mem_set(struct mirror_mem *s, const char *key, const void *data, size_t len);
/* The time that is reported of an object, which must be there; by default none. */
void mirror_mem_set_modified(struct mirror_mem *s, const char *key, int64_t modified_s);
void mirror_mem_remove(struct mirror_mem *s, const char *key);

/* "put targets/a", "get targets/a 0 10", "copy-piece targets/a 3 targets/old 25165824", … in the
 * order of the calls; without the beginnings of uploads, and pieces that are put. Borrowed. */
const struct str_list *mirror_mem_calls(const struct mirror_mem *s);
void mirror_mem_forget_calls(struct mirror_mem *s);

#endif
