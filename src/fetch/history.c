#include "fetch/history.h"

#include "hash/sha256.h"
#include "http/url.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define FORMAT "1"
#define MAX_TEXT (URL_MAX + 200)
#define MAX_FAULTS 1000
#define MAX_RATE (UINT64_MAX / 1000)

char *history_dir(void)
{
	CLEANUP(mem_free_ptr) char *state = NULL;
	struct err ignored = ERR_INIT;
	return path_xdg("XDG_STATE_HOME", ".local/state", &state, &ignored) < 0
		       ? NULL
		       : path_join(state, "ferry/history");
}

/* The URL as it is shown: "https://host/" and "https://host" are one mirror. */
static char *name_of(const char *url)
{
	CLEANUP(mem_free_ptr) char *shown = url_redact(url);
	char *safe = text_escaped(shown);
	for (size_t len = strlen(safe); len && safe[len - 1] == '/'; len--)
		safe[len - 1] = '\0';
	return safe;
}

char *history_path(const char *dir, const char *url)
{
	CLEANUP(mem_free_ptr) char *name = name_of(url);
	struct digest d;
	char hex[DIGEST_HEX], file[17];
	sha256_of(name, strlen(name), &d);
	snprintf(file, sizeof file, "%.16s", digest_hex(hex, &d));
	return path_join(dir, file);
}

/* -- reading ------------------------------------------------------------------------------- */

/* Halved for each half-life, and evenly in between. */
static uint64_t decayed(uint64_t amount, uint64_t age_s)
{
	uint64_t halves = age_s / HISTORY_HALF_S, rest_s = age_s % HISTORY_HALF_S;
	if (halves > 63)
		return 0;
	amount >>= halves;
	return amount - amount / 2 * rest_s / HISTORY_HALF_S;
}

/* Four numbers, separated by one blank each. */
static bool read_numbers(const char *line, uint64_t out[4])
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	str_list_split(&words, line, " ");
	if (words.count != 4)
		return false;
	for (size_t i = 0; i < 4; i++)
		if (!parse_u64(words.at[i], &out[i]))
			return false;
	return true;
}

bool history_parse(const char *text, int64_t now_s, struct history *out)
{
	CLEANUP(str_list_release) struct str_list lines = { 0 };
	uint64_t n[4], now = (uint64_t)now_s;
	*out = (struct history){ 0 };
	if (strlen(text) > MAX_TEXT)
		return false;
	str_list_split(&lines, text, "\n");
	if (lines.count < 2 || strcmp(lines.at[0], FORMAT) != 0 || !read_numbers(lines.at[1], n))
		return false;
	/* A time that is still to come: the clock was set. */
	if (n[0] > now || now - n[0] > HISTORY_MAX_S || n[1] > MAX_RATE ||
	    n[2] > MAX_FAULTS * 1000 || n[3] > n[0])
		return false;
	out->rate = n[1];
	out->faults_milli = decayed(n[2], now - n[0]);
	out->wrong_s = now - n[3] <= HISTORY_WRONG_S ? (int64_t)n[3] : 0;
	return true;
}

void history_read(const char *dir, const char *url, int64_t now_s, struct history *out)
{
	CLEANUP(mem_free_ptr) char *path = history_path(dir, url);
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_TEXT);
	struct err ignored = ERR_INIT;
	*out = (struct history){ 0 };
	if (file_read_all(path, &text, &ignored) == 0)
		(void)history_parse(buf_str(&text), now_s, out);
}

/* -- writing ------------------------------------------------------------------------------- */

/* The last run counts as much as all before it. */
static uint64_t mixed_rate(uint64_t known, uint64_t measured)
{
	if (!known || !measured)
		return known + MIN(measured, MAX_RATE);
	return known / 2 + MIN(measured, MAX_RATE) / 2;
}

void history_note(const char *dir, const char *url, int64_t now_s, const struct history_run *run)
{
	CLEANUP(mem_free_ptr) char *path = history_path(dir, url), *name = name_of(url);
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_TEXT);
	struct err ignored = ERR_INIT;
	struct history h;
	history_read(dir, url, now_s, &h);
	uint64_t faults = run->faults || run->wrong ? h.faults_milli + (uint64_t)run->faults * 1000
						    : 0;
	buf_addf(&text, FORMAT "\n%llu %llu %llu %llu\n%s\n", (unsigned long long)now_s,
		 (unsigned long long)mixed_rate(h.rate, run->rate),
		 (unsigned long long)MIN(faults, MAX_FAULTS * 1000),
		 (unsigned long long)(run->wrong ? now_s : h.wrong_s), name);
	if (buf_ok(&text, "the history", &ignored) == 0 &&
	    file_mkdirs(dir, FILE_DIR_MODE, &ignored) == 0)
		(void)!file_write_atomic(path, buf_str(&text), text.len, FILE_MODE, &ignored);
}
