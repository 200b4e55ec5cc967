#include "fetch/pool.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define WHAT "the buffer of a piece"

void pool_init(struct pool *p, uint64_t memory)
{
	*p = (struct pool){ .memory = memory ? memory : POOL_MEMORY };
}

static bool is_in_file(const struct pool *p, uint64_t size)
{
	return size > p->memory / POOL_LEAST;
}

static void drop(struct pool *p, struct pool_piece *piece)
{
	p->used -= piece->size;
	munmap(piece->data, piece->size);
}

void pool_release(struct pool *p)
{
	while (p->kept_count)
		drop(p, &p->kept[--p->kept_count]);
}

bool pool_has_room(const struct pool *p, uint64_t size)
{
	uint64_t kept = 0;
	if (is_in_file(p, size))
		return p->scratch < POOL_SCRATCH;
	for (size_t i = 0; i < p->kept_count; i++)
		kept += p->kept[i].size;
	return p->used - kept + size <= p->memory;
}

/* Allocated now: a full disk is found before the bytes arrive. */
static int take_file(struct pool *p, uint64_t size, const char *dir, struct pool_piece *out,
		     struct err *e)
{
	CLEANUP(file_close) int fd = os_nameless_file(dir);
	if (fd < 0)
		return err_sys(e, errno, "%s", dir);
	int rc = os_reserve(fd, size);
	if (rc)
		return err_sys(e, rc, "%s: cannot allocate space for a piece", dir);
	*out = (struct pool_piece){ .fd = fd, .size = size };
	fd = -1;
	p->scratch++;
	return 0;
}

static bool take_kept(struct pool *p, uint64_t size, struct pool_piece *out)
{
	for (size_t i = 0; i < p->kept_count; i++) {
		if (p->kept[i].size != size)
			continue;
		*out = p->kept[i];
		p->kept[i] = p->kept[--p->kept_count];
		return true;
	}
	return false;
}

int pool_take(struct pool *p, uint64_t size, const char *dir, struct pool_piece *out, struct err *e)
{
	if (is_in_file(p, size))
		return take_file(p, size, dir, out, e);
	if (take_kept(p, size, out))
		return 0;
	while (p->kept_count && p->used + size > p->memory)
		drop(p, &p->kept[--p->kept_count]);
	void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		return err_sys(e, errno, "cannot allocate space for a piece");
	p->used += size;
	*out = (struct pool_piece){ .data = data, .fd = -1, .size = size };
	return 0;
}

void pool_give(struct pool *p, struct pool_piece *piece)
{
	if (piece->data && p->kept_count < ARRAY_LEN(p->kept))
		p->kept[p->kept_count++] = *piece;
	else if (piece->data)
		drop(p, piece);
	else if (piece->size) {
		file_close(&piece->fd);
		p->scratch--;
	}
	*piece = (struct pool_piece){ .fd = -1 };
}

int pool_write(const struct pool_piece *p, uint64_t at, const void *data, size_t len, struct err *e)
{
	if (!p->data)
		return file_pwrite(p->fd, data, len, at, WHAT, e);
	memcpy(p->data + at, data, len);
	return 0;
}

int pool_read(const struct pool_piece *p, uint64_t at, void *room, const void **data, size_t *len,
	      struct err *e)
{
	uint64_t left = p->size - at;
	if (p->data) {
		*data = p->data + at;
		*len = (size_t)left;
		return 0;
	}
	*data = room;
	*len = (size_t)MIN(left, POOL_READ);
	return file_pread(p->fd, room, *len, at, WHAT, e);
}

int pool_copy_to(const struct pool_piece *p, int fd, uint64_t offset, const char *path,
		 struct err *e)
{
	if (p->data)
		return file_pwrite(fd, p->data, (size_t)p->size, offset, path, e);
	CLEANUP(mem_free_ptr) void *room = mem_alloc(POOL_READ);
	uint64_t at = os_copy_range(fd, offset, p->fd, 0, p->size);
	int rc = 0;
	while (rc == 0 && at < p->size) {
		const void *data;
		size_t len;
		rc = pool_read(p, at, room, &data, &len, e);
		if (rc == 0)
			rc = file_pwrite(fd, data, len, offset + at, path, e);
		at += len;
	}
	return rc;
}
