/* fs-verity: the kernel compares what it reads with a tree of hashes, so that bytes that rotted are
 * an error of read(), at once. */
#include "serve/cache/cache_internal.h"

#include "store/blob.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <fcntl.h>

#define AT_A_TIME 64

/* The next file without it, that nobody reads. */
static bool find(struct cache *c, struct digest *d, struct stamp *s)
{
	struct object *found = NULL;
	pthread_mutex_lock(&c->lock);
	for (struct order_item *i = c->objects.newest; i && !found; i = i->older) {
		struct object *o = (struct object *)i;
		if (o->right && !o->protected && !o->busy && !o->whole)
			found = o;
	}
	if (found) {
		found->protected = true;
		*d = found->item.sha256;
		*s = found->stamp;
	}
	pthread_mutex_unlock(&c->lock);
	return found != NULL;
}

/* The tree of hashes is no change of the content. */
static bool is_same(const struct stamp *a, const struct stamp *b)
{
	return a->size == b->size && a->modified_ns == b->modified_ns && a->inode == b->inode;
}

static void note(struct cache *c, const struct digest *d, const struct stamp *before,
		 const struct stamp *now)
{
	blob_vouch(&c->store, d);
	pthread_mutex_lock(&c->lock);
	struct object *o = cache_object_find(c, d);
	if (o && o->right && cache_stamp_equal(&o->stamp, before))
		o->stamp = *now;
	c->changed = true;
	pthread_mutex_unlock(&c->lock);
}

static void protect(struct cache *c, const struct digest *d, const struct stamp *before)
{
	CLEANUP(mem_free_ptr) char *path = store_blob_path(&c->store, d);
	CLEANUP(file_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stamp now;
	if (fd < 0 || !cache_stamp_of(fd, &now) || !cache_stamp_equal(&now, before))
		return;
	if (os_verity_enable(fd, &c->no_verity) && cache_stamp_of(fd, &now) &&
	    is_same(&now, before))
		note(c, d, before, &now);
}

void cache_protect(struct cache *c)
{
	struct digest d;
	struct stamp s;
	for (size_t i = 0; i < AT_A_TIME && !c->no_verity && find(c, &d, &s); i++) {
		if (cancel_signal(&c->stop))
			return;
		protect(c, &d, &s);
	}
}
