#include "prepare/download_part.h"

#include "json/json.h"
#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYNC_EVERY (64 * MIB)
#define STATE_MAX (64 * KIB)

static void url_key(char out[DIGEST_HEX], const char *url)
{
	struct digest d;
	sha256_of(url, strlen(url), &d);
	digest_hex(out, &d);
}

bool download_part_is_of(const struct download_part *p, const char *url)
{
	char key[DIGEST_HEX];
	url_key(key, url);
	return strcmp(key, p->url) == 0;
}

bool download_part_is_full(const struct download_part *p)
{
	return p->size && p->have == p->size;
}

/* ---- state -------------------------------------------------------------------------- */

static void copy_member(char *out, size_t size, const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	snprintf(out, size, "%s", s ? s : "");
}

static uint64_t number_of(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));
	return n > 0 ? (uint64_t)n : 0;
}

/* A malformed state counts as none. */
static void load_state(struct download_part *p)
{
	static const struct json_limits limits = { .max_bytes = STATE_MAX };
	struct err ignored = ERR_INIT;
	CLEANUP(json_release) json_t *o = NULL;
	if (!file_exists(p->state_path) ||
	    json_parse_file(p->state_path, &limits, &o, &ignored) < 0)
		return;
	copy_member(p->url, sizeof p->url, o, "url_sha256");
	copy_member(p->etag, sizeof p->etag, o, "etag");
	copy_member(p->boot, sizeof p->boot, o, "boot");
	p->size = number_of(o, "size");
	p->synced = number_of(o, "synced");
	p->complete = json_is_true(json_object_get(o, "complete"));
}

static int save_state(struct download_part *p, struct err *e)
{
	CLEANUP(json_release) json_t *o = json_object();
	os_boot_id(p->boot);
	json_put_string(o, "url_sha256", p->url);
	json_put_string(o, "etag", p->etag);
	json_put_u64(o, "size", p->size);
	json_put_u64(o, "synced", p->synced);
	json_put_string(o, "boot", p->boot);
	json_put_bool(o, "complete", p->complete);
	return json_write_file(p->state_path, o, FILE_MODE, e);
}

static void clear_state(struct download_part *p)
{
	p->url[0] = p->etag[0] = p->boot[0] = '\0';
	p->size = p->synced = 0;
	p->complete = false;
}

/* ---- life --------------------------------------------------------------------------- */

void download_part_init(struct download_part *p, const char *file)
{
	*p = (struct download_part)PART_INIT;
	p->file = mem_strdup(file);
	p->path = mem_printf("%s.part", file);
	p->state_path = mem_printf("%s.state", file);
	load_state(p);
}

void download_part_release(struct download_part *p)
{
	file_close(&p->fd);
	free(p->file);
	free(p->path);
	free(p->state_path);
	*p = (struct download_part)PART_INIT;
}

int download_part_open(struct download_part *p, struct err *e)
{
	struct stat st;
	/* The complete file was moved to its place, or is no longer needed. */
	if (p->complete)
		clear_state(p);
	p->fd = open(p->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (p->fd < 0 || fstat(p->fd, &st) < 0)
		return err_sys(e, errno, "%s", p->path);
	p->have = (uint64_t)st.st_size;
	if (!p->url[0] || (p->size && p->have > p->size))
		p->have = 0;
	else if (!os_is_this_boot(p->boot))
		p->have = MIN(p->have, p->synced);
	p->joined = p->have > 0;
	return 0;
}

int download_part_start_over(struct download_part *p, struct err *e)
{
	clear_state(p);
	p->have = 0;
	p->joined = false;
	if (ftruncate(p->fd, 0) < 0)
		return err_sys(e, errno, "%s", p->path);
	return 0;
}

int download_part_set_source(struct download_part *p, const char *url, const char *etag,
			     uint64_t size, struct err *e)
{
	url_key(p->url, url);
	snprintf(p->etag, sizeof p->etag, "%s", etag);
	p->size = size;
	return save_state(p, e);
}

static int sync_part(struct download_part *p, struct err *e)
{
	int rc = file_sync(p->fd, p->path, e);
	if (rc < 0)
		return rc;
	p->synced = p->have;
	return save_state(p, e);
}

int download_part_write(struct download_part *p, const void *data, size_t len, uint64_t offset,
			struct err *e)
{
	int rc = file_pwrite(p->fd, data, len, offset, p->path, e);
	if (rc < 0)
		return rc;
	p->have = MAX(p->have, offset + len);
	return p->have - p->synced >= SYNC_EVERY ? sync_part(p, e) : 0;
}

int download_part_finish(struct download_part *p, struct err *e)
{
	int rc = sync_part(p, e);
	if (rc == 0)
		rc = file_rename(p->path, p->file, e);
	if (rc < 0)
		return rc;
	p->complete = true;
	p->size = p->have;
	return save_state(p, e);
}

void download_part_forget(const char *file)
{
	static const char *const endings[] = { "", ".part", ".state" };
	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		CLEANUP(mem_free_ptr) char *path = mem_printf("%s%s", file, endings[i]);
		unlink(path);
	}
}
