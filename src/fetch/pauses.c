#include "fetch/pauses.h"

#include "hash/sha256.h"
#include "http/url.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

char *pauses_dir(void)
{
	CLEANUP(mem_free_ptr) char *state = NULL;
	struct err ignored = ERR_INIT;
	return path_xdg("XDG_STATE_HOME", ".local/state", &state, &ignored) < 0
		       ? NULL
		       : path_join(state, "ferry/pauses");
}

/* NULL for what is on no server. */
static char *file_of(const char *dir, const char *url)
{
	CLEANUP(url_release) struct url u = { 0 };
	struct err ignored = ERR_INIT;
	struct digest d;
	char hex[DIGEST_HEX], name[17];
	if (url_parse(url, &u, &ignored) < 0)
		return NULL;
	CLEANUP(mem_free_ptr) char *origin = mem_printf("%s://%s:%u", u.scheme, u.host, u.port);
	sha256_of(origin, strlen(origin), &d);
	snprintf(name, sizeof name, "%.16s", digest_hex(hex, &d));
	return path_join(dir, name);
}

uint64_t pauses_left_s(const char *dir, const char *url, int64_t now_s, char **path)
{
	CLEANUP(mem_free_ptr) char *file = file_of(dir, url);
	CLEANUP(buf_release) struct buf text = BUF_INIT(32);
	struct err ignored = ERR_INIT;
	uint64_t end_s;
	if (!file || file_read_all(file, &text, &ignored) < 0 || !parse_u64(buf_str(&text), &end_s))
		return 0;
	/* Also one that is further away than any pause: the clock was set. */
	if (end_s <= (uint64_t)now_s || end_s > (uint64_t)now_s + PAUSES_MAX_S) {
		(void)!file_remove(file, &ignored);
		return 0;
	}
	*path = STEAL(file);
	return end_s - (uint64_t)now_s;
}

void pauses_note(const char *dir, const char *url, int64_t now_s, uint64_t pause_s)
{
	CLEANUP(mem_free_ptr) char *file = file_of(dir, url);
	struct err ignored = ERR_INIT;
	char text[32];
	int len = snprintf(text, sizeof text, "%llu",
			   (unsigned long long)now_s + MIN(pause_s, PAUSES_MAX_S));
	if (file && file_mkdirs(dir, FILE_DIR_MODE, &ignored) == 0)
		(void)!file_write_atomic(file, text, (size_t)len, FILE_MODE, &ignored);
}
