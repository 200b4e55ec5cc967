#include "publish/download.h"

#include "http/retry.h"
#include "http/url.h"
#include "json/json.h"
#include "publish/sniff.h"
#include "util/cancel.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Without an ETag this many bytes before the end of the part are asked for again and
 * compared. */
#define OVERLAP MIB
#define SYNC_EVERY (64 * MIB)
/* Less than this between two drops is no progress. */
#define PROGRESS (64 * KIB)
#define STATE_MAX (64 * KIB)

/* What the state file says. The URL is kept as a digest: it may hold a signature. */
struct state {
	char url[DIGEST_HEX];
	char etag[HEADER_ETAG];         /* strong, or "" */
	uint64_t size;                  /* 0: unknown */
	uint64_t synced;                /* bytes that survive a power cut */
	char boot[64];                  /* after a restart only those count */
	bool complete;
};

struct fetch {
	const struct download *d;
	struct http_client *client;
	char *part, *state_path, *task;
	int fd;
	struct state state;
	uint64_t have;                  /* good bytes in the part */
	uint64_t at;                    /* where the next byte of this answer goes */
	uint64_t received;
	bool shown;                     /* the task was begun */
	bool joined;                    /* not all in one go from one URL */
	bool page;                      /* the answer was a web page: the part is still good */
	unsigned drops;
	char head[SNIFF_BYTES];
	const char *url;
	char *name;                     /* of the URL for people */
};

void download_result_release(struct download_result *r)
{
	free(r->url);
	free(r->path);
	*r = (struct download_result){ 0 };
}

/* ---- state -------------------------------------------------------------------------- */

static void url_key(char out[DIGEST_HEX], const char *url)
{
	struct digest d;
	sha256_of(url, strlen(url), &d);
	digest_hex(out, &d);
}

static void boot_id(char out[64])
{
	struct err ignored = ERR_INIT;
	CLEANUP(buf_release) struct buf b = BUF_INIT(63);
	out[0] = '\0';
	if (file_read_all("/proc/sys/kernel/random/boot_id", &b, &ignored) == 0)
		snprintf(out, 64, "%.*s", (int)strcspn(buf_str(&b), "\n"), buf_str(&b));
}

static void copy_member(char *out, size_t size, const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	snprintf(out, size, "%s", s ? s : "");
}

/* A state that cannot be read is none. */
static void state_load(const char *path, struct state *s)
{
	static const struct json_limits limits = { .max_bytes = STATE_MAX };
	struct err ignored = ERR_INIT;
	CLEANUP(json_release) json_t *o = NULL;
	*s = (struct state){ 0 };
	if (!file_exists(path) || json_parse_file(path, &limits, &o, &ignored) < 0)
		return;
	copy_member(s->url, sizeof s->url, o, "url_sha256");
	copy_member(s->etag, sizeof s->etag, o, "etag");
	copy_member(s->boot, sizeof s->boot, o, "boot");
	s->size = (uint64_t)json_integer_value(json_object_get(o, "size"));
	s->synced = (uint64_t)json_integer_value(json_object_get(o, "synced"));
	s->complete = json_is_true(json_object_get(o, "complete"));
}

static int state_save(struct fetch *f, struct err *e)
{
	CLEANUP(json_release) json_t *o = json_object();
	boot_id(f->state.boot);
	json_put_string(o, "url_sha256", f->state.url);
	json_put_string(o, "etag", f->state.etag);
	json_put_u64(o, "size", f->state.size);
	json_put_u64(o, "synced", f->state.synced);
	json_put_string(o, "boot", f->state.boot);
	json_put_bool(o, "complete", f->state.complete);
	return json_write_file(f->state_path, o, 0600, e);
}

static int sync_part(struct fetch *f, struct err *e)
{
	int rc = file_sync(f->fd, f->part, e);
	if (rc < 0)
		return rc;
	f->state.synced = f->have;
	return state_save(f, e);
}

/* What of the part may be used: after a restart of the machine only what was synced. */
static int resume(struct fetch *f, struct err *e)
{
	char boot[64];
	struct stat st;
	boot_id(boot);
	f->fd = open(f->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return err_sys(e, errno, "%s", f->part);
	f->have = (uint64_t)st.st_size;
	if (!f->state.url[0])
		f->have = 0;
	else if (strcmp(boot, f->state.boot) != 0)
		f->have = MIN(f->have, f->state.synced);
	if (f->state.size && f->have > f->state.size)
		f->have = 0;
	f->joined = f->have > 0;
	if (f->have) {
		char have[SIZE_TEXT];
		report_note(f->d->report, "%s: continuing at %s", path_base(f->d->path),
			    format_size(have, f->have));
	}
	return 0;
}

static int start_over(struct fetch *f, struct err *e)
{
	if (f->shown)
		report_advance(f->d->report, f->task, -(int64_t)f->have);
	f->have = 0;
	f->joined = false;
	f->state = (struct state){ 0 };
	if (ftruncate(f->fd, 0) < 0)
		return err_sys(e, errno, "%s", f->part);
	return 0;
}

/* ---- one answer --------------------------------------------------------------------- */

static int refuse_head(struct fetch *f, struct err *e)
{
	size_t len = (size_t)MIN(f->have, (uint64_t)SNIFF_BYTES);
	enum sniff kind = sniff_bytes(f->head, len);
	if (kind == SNIFF_GGUF || kind == SNIFF_ARCHIVE || kind == SNIFF_UNKNOWN)
		return 0;
	return sniff_refuse(kind, f->head, len, f->name, e);
}

static int on_begin(void *ctx, const struct http_response *r, struct err *e)
{
	struct fetch *f = ctx;
	int rc = 0;
	f->page = r->html;
	if (f->page)
		return sniff_refuse(SNIFF_HTML, "", 0, f->name, e);
	if (f->have && r->offset == 0 && (rc = start_over(f, e)) < 0)
		return rc;
	f->at = r->offset;
	uint64_t total = r->has_total ? r->total : 0;
	if (total && (rc = file_need_space(f->part, total - MIN(total, f->have), e)) < 0)
		return rc;
	if (!f->shown)
		report_begin(f->d->report, f->task, total, f->have);
	f->shown = true;
	url_key(f->state.url, f->url);
	snprintf(f->state.etag, sizeof f->state.etag, "%s",
		 header_etag_is_strong(r->etag) ? r->etag : "");
	f->state.size = total;
	return state_save(f, e);
}

/* Bytes that are there already must be the same. */
static int compare(struct fetch *f, const char *data, size_t len, struct err *e)
{
	char mine[16 * KIB];
	while (len) {
		size_t n = MIN(len, sizeof mine);
		int rc = file_pread(f->fd, mine, n, f->at, f->part, e);
		if (rc < 0)
			return rc;
		if (memcmp(mine, data, n) != 0)
			return err_set(e, ERR_CONFLICT, "is not the file that the first part came "
				       "from");
		f->at += n;
		data += n;
		len -= n;
	}
	return 0;
}

static int on_write(void *ctx, const void *data, size_t len, struct err *e)
{
	struct fetch *f = ctx;
	const char *bytes = data;
	f->received += len;
	if (f->at < f->have) {
		size_t known = (size_t)MIN((uint64_t)len, f->have - f->at);
		int rc = compare(f, bytes, known, e);
		if (rc < 0)
			return rc;
		bytes += known;
		len -= known;
	}
	int rc = file_pwrite(f->fd, bytes, len, f->at, f->part, e);
	if (rc < 0)
		return rc;
	if (f->at < SNIFF_BYTES)
		memcpy(f->head + f->at, bytes, MIN(len, SNIFF_BYTES - (size_t)f->at));
	bool first = f->have < SNIFF_BYTES;
	f->at += len;
	f->have = MAX(f->have, f->at);
	report_advance(f->d->report, f->task, (int64_t)len);
	if (first && f->have >= SNIFF_BYTES && (rc = refuse_head(f, e)) < 0)
		return rc;
	return f->have - f->state.synced >= SYNC_EVERY ? sync_part(f, e) : 0;
}

static int request(struct fetch *f, uint64_t *retry_after_s, struct err *e)
{
	char key[DIGEST_HEX];
	struct http_response r = { 0 };
	url_key(key, f->url);
	bool same = f->state.etag[0] && strcmp(key, f->state.url) == 0;
	struct http_request q = {
		.url = f->url, .what = f->name, .ignored_range = HTTP_IGNORED_RESTART,
		.begin = on_begin, .write = on_write, .ctx = f,
	};
	if (f->have) {
		q.offset = same ? f->have : f->have - MIN(f->have, OVERLAP);
		q.if_range = same ? f->state.etag : NULL;
		/* A range from 0 to the end is no range: ask for what is compared first. */
		if (q.offset == 0 && start_over(f, e) < 0)
			return -(int)e->class;
	}
	int rc = http_perform(f->client, &q, &r, e);
	*retry_after_s = r.retry_after_s;
	http_response_release(&r);
	return rc;
}

/* ---- one URL ------------------------------------------------------------------------ */

static bool is_complete(const struct fetch *f)
{
	return f->state.size && f->have == f->state.size;
}

static int wrong_digest(const struct fetch *f, const struct digest *got, struct err *e)
{
	char a[DIGEST_HEX], b[DIGEST_HEX];
	err_set(e, ERR_INTEGRITY, "%s is not the file wanted: its SHA-256 is %s, not %s", f->name,
		digest_hex(a, got), digest_hex(b, f->d->sha256));
	return err_hint(e, "check the digest given with --sha256, and the address");
}

static int check_part(struct fetch *f, struct err *e)
{
	struct digest got;
	uint64_t size;
	if (f->have < SNIFF_BYTES) {
		int rc = file_pread(f->fd, f->head, (size_t)f->have, 0, f->part, e);
		if (rc == 0)
			rc = refuse_head(f, e);
		if (rc < 0)
			return rc;
	}
	if (!f->d->sha256)
		return 0;
	int rc = sha256_of_file(f->part, &got, &size, e);
	if (rc < 0 || digest_equal(&got, f->d->sha256))
		return rc;
	return wrong_digest(f, &got, e);
}

static void tell_drop(struct fetch *f, const struct err *e)
{
	char have[SIZE_TEXT];
	if (f->drops++ == 0)
		report_warn(f->d->report, "%s; continuing at %s", e->text,
			    format_size(have, f->have));
	else
		report_detail(f->d->report, "%s; continuing at %s", e->text,
			      format_size(have, f->have));
}

static int transfer(struct fetch *f, bool last, struct err *e)
{
	struct retry retry = RETRY_DEFAULT;
	bool restarted = false;
	retry.max_tries = last ? 5 : 3;
	while (!is_complete(f)) {
		uint64_t before = f->have, wait_s = 0;
		struct err why;
		int rc = request(f, &wait_s, e);
		if (rc == 0)
			break;
		if (f->have > before + PROGRESS)
			retry_reset(&retry);
		/* What is there does not fit what the server has now. */
		bool misfit = err_is(e, ERR_CONFLICT) || err_is(e, ERR_INTEGRITY);
		if (misfit && !f->page && before && f->have == before && !restarted) {
			report_note(f->d->report, "%s; starting over", e->text);
			err_clear(e);
			restarted = true;
			if ((rc = start_over(f, e)) < 0)
				return rc;
			continue;
		}
		why = *e;
		if (!err_is(e, ERR_NETWORK) || !retry_again(&retry, wait_s, e))
			return -(int)e->class;
		f->joined = true;
		tell_drop(f, &why);
	}
	return 0;
}

static int from_http(struct fetch *f, bool last, struct err *e)
{
	for (;;) {
		f->page = false;
		int rc = transfer(f, last, e);
		if (rc == 0)
			rc = check_part(f, e);
		if (rc == 0 || !err_is(e, ERR_INTEGRITY) || f->page)
			return rc;
		/* It was put together from several answers: once more in one go. */
		bool again = f->joined && f->d->sha256;
		report_end(f->d->report, f->task, false);
		f->shown = false;
		if (again) {
			report_warn(f->d->report, "%s; starting over", e->text);
			err_clear(e);
		}
		struct err ignored = ERR_INIT;
		int failed = start_over(f, again ? e : &ignored);
		if (!again || failed < 0)
			return -(int)e->class;
	}
}

static int from_file(const struct fetch *f, struct download_result *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = NULL;
	struct digest got;
	uint64_t size;
	CLEANUP(file_close) int fd = -1;
	int rc = url_file_path(f->url, &path, e);
	if (rc == 0)
		rc = file_open_regular(path, &fd, &size, e);
	if (rc == 0 && f->d->sha256) {
		rc = sha256_of_file(path, &got, &size, e);
		if (rc == 0 && !digest_equal(&got, f->d->sha256))
			rc = wrong_digest(f, &got, e);
	}
	if (rc < 0)
		return rc;
	out->path = STEAL(path);
	out->size = size;
	return 0;
}

static int finish(struct fetch *f, struct download_result *out, struct err *e)
{
	int rc = sync_part(f, e);
	if (rc == 0)
		rc = file_rename(f->part, f->d->path, e);
	f->state.complete = true;
	f->state.size = f->have;
	if (rc == 0)
		rc = state_save(f, e);
	if (rc < 0)
		return rc;
	out->path = mem_strdup(f->d->path);
	out->ours = true;
	out->size = f->have;
	out->received = f->received;
	return 0;
}

/* For a card: no user, password or query that looks like a signature. */
static char *public_url(const char *url)
{
	struct err ignored = ERR_INIT;
	CLEANUP(url_release) struct url u = { 0 };
	if (url_parse(url, &u, &ignored) < 0)
		return NULL;
	CLEANUP(mem_free_ptr) char *shown = url_redact(u.text);
	if (strcmp(shown, u.text) == 0)
		return mem_strdup(u.text);
	return mem_strndup(u.text, strcspn(u.text, "?"));
}

static bool is_file_url(const char *url)
{
	return str_starts(url, "file:");
}

static int try_url(struct fetch *f, const char *url, bool last, struct download_result *out,
		   struct err *e)
{
	free(f->name);
	f->name = url_redact(url);
	f->url = url;
	f->drops = 0;
	if (is_file_url(url))
		return from_file(f, out, e);
	int rc = from_http(f, last, e);
	if (rc == 0)
		rc = finish(f, out, e);
	if (f->shown)
		report_end(f->d->report, f->task, rc == 0);
	f->shown = false;
	if (rc == 0 && f->drops)
		report_note(f->d->report, "%s: the connection dropped %u time%s", f->name, f->drops,
			    f->drops == 1 ? "" : "s");
	if (rc == 0)
		out->url = public_url(url);
	return rc;
}

/* ---- all URLs ----------------------------------------------------------------------- */

static size_t first_url(const struct fetch *f)
{
	char key[DIGEST_HEX];
	for (size_t i = 0; f->have && i < f->d->url_count; i++) {
		url_key(key, f->d->urls[i]);
		if (strcmp(key, f->state.url) == 0)
			return i;
	}
	return 0;
}

static int try_all(struct fetch *f, struct download_result *out, struct err *e)
{
	const struct download *d = f->d;
	CLEANUP(buf_release) struct buf faults = BUF_INIT(4 * KIB);
	struct err first = ERR_INIT;
	bool transient = false;
	size_t start = first_url(f);
	for (size_t n = 0; n < d->url_count; n++) {
		struct err here = ERR_INIT;
		const char *url = d->urls[(start + n) % d->url_count];
		bool last = n + 1 == d->url_count;
		int rc = try_url(f, url, last, out, &here);
		if (rc == 0)
			return 0;
		bool fatal = err_is(&here, ERR_SYSTEM) || err_is(&here, ERR_CANCELLED);
		transient = transient || err_is(&here, ERR_NETWORK);
		if (n == 0)
			first = here;
		if (fatal || d->url_count == 1) {
			*e = here;
			return rc;
		}
		report_warn(d->report, "%s%s", here.text, last ? "" : "; trying the next source");
		buf_addf(&faults, "%s%.300s", n ? "; " : "", here.text);
	}
	err_set(e, transient ? ERR_NETWORK : first.class, "no source worked: %.900s",
		buf_str(&faults));
	return err_hint(e, "%s", transient ? "what arrived is kept: run the same command again later"
					   : first.hint);
}

/* ---- what a URL tells without a download -------------------------------------------- */

struct version {
	char etag[HEADER_ETAG];         /* strong, or "" */
	int64_t modified_s;
	uint64_t size;                  /* 0: it does not say */
};

/* The first URL that answers. */
static bool ask_version(const struct download *d, struct version *out)
{
	static const struct http_options defaults = { 0 };
	CLEANUP_PTR(http_client_free) struct http_client *client = NULL;
	struct err ignored = ERR_INIT;
	if (http_client_new(d->http ? d->http : &defaults, &client, &ignored) < 0)
		return false;
	for (size_t i = 0; i < d->url_count && !cancel_signal(); i++) {
		struct err e = ERR_INIT;
		CLEANUP(http_response_release) struct http_response r = { 0 };
		struct http_request q = { .method = "HEAD", .url = d->urls[i] };
		if (is_file_url(d->urls[i]) || http_perform(client, &q, &r, &e) < 0 || r.html)
			continue;
		*out = (struct version){ .modified_s = r.modified_s,
					 .size = r.has_total ? r.total : 0 };
		if (header_etag_is_strong(r.etag))
			snprintf(out->etag, sizeof out->etag, "%s", r.etag);
		return true;
	}
	return false;
}

bool download_version(const struct download *d, char **out)
{
	struct version v;
	if (!ask_version(d, &v) || !v.size || (!v.etag[0] && !v.modified_s))
		return false;
	*out = mem_printf("%s %lld %llu", v.etag, (long long)v.modified_s,
			  (unsigned long long)v.size);
	return true;
}

static bool is_current(const struct fetch *f)
{
	struct version v;
	if (!ask_version(f->d, &v))
		return true;    /* out of reach: what is there is better than nothing */
	return (!v.size || v.size == f->state.size) &&
	       (!v.etag[0] || !f->state.etag[0] || strcmp(v.etag, f->state.etag) == 0);
}

/* ---- all of it ---------------------------------------------------------------------- */

/* A complete file of an earlier run, if it still is what the source has. */
static int use_kept(struct fetch *f, struct download_result *out, bool *used, struct err *e)
{
	struct err ignored = ERR_INIT;
	const char *url = NULL;
	uint64_t size;
	*used = false;
	if (!f->state.complete || file_size(f->d->path, &size, &ignored) < 0 ||
	    size != f->state.size)
		return 0;
	for (size_t i = 0; i < f->d->url_count; i++) {
		char key[DIGEST_HEX];
		url_key(key, f->d->urls[i]);
		if (strcmp(key, f->state.url) == 0)
			url = f->d->urls[i];
	}
	if (f->d->sha256) {
		struct digest got;
		int rc = sha256_of_file(f->d->path, &got, &size, e);
		if (rc < 0 || !digest_equal(&got, f->d->sha256))
			return rc;
	} else if (!url || !is_current(f)) {
		return 0;
	}
	report_note(f->d->report, "%s: downloaded before", path_base(f->d->path));
	out->path = mem_strdup(f->d->path);
	out->ours = out->kept = true;
	out->size = size;
	out->url = url && !is_file_url(url) ? public_url(url) : NULL;
	*used = true;
	return 0;
}

int download_run(const struct download *d, struct download_result *out, struct err *e)
{
	static const struct http_options defaults = { 0 };
	CLEANUP(download_result_release) struct download_result result = { 0 };
	struct fetch f = { .d = d, .fd = -1, .part = mem_printf("%s.part", d->path),
			   .state_path = mem_printf("%s.state", d->path),
			   .task = mem_printf("download %s", path_base(d->path)) };
	bool used = false;
	state_load(f.state_path, &f.state);
	int rc = use_kept(&f, &result, &used, e);
	if (rc == 0 && !used) {
		if (f.state.complete)
			f.state = (struct state){ 0 };
		rc = resume(&f, e);
		if (rc == 0)
			rc = http_client_new(d->http ? d->http : &defaults, &f.client, e);
		if (rc == 0)
			rc = try_all(&f, &result, e);
	}
	http_client_free(f.client);
	file_close(&f.fd);
	free(f.part);
	free(f.state_path);
	free(f.task);
	free(f.name);
	if (rc < 0)
		return rc;
	*out = result;
	result = (struct download_result){ 0 };
	return 0;
}

void download_forget(const char *path)
{
	static const char *const endings[] = { "", ".part", ".state" };
	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		CLEANUP(mem_free_ptr) char *file = mem_printf("%s%s", path, endings[i]);
		unlink(file);
	}
}

/* ---- names -------------------------------------------------------------------------- */

char *download_name(const char *url)
{
	const char *end = url + strcspn(url, "?#");
	const char *slash = end;
	while (slash > url && slash[-1] != '/')
		slash--;
	CLEANUP(mem_free_ptr) char *name = mem_alloc((size_t)(end - slash) + 1);
	size_t n = 0;
	for (const char *p = slash; p < end; p++) {
		unsigned char byte;
		char hex[3] = { 0 };
		if (*p == '%' && end - p >= 3)
			memcpy(hex, p + 1, 2);
		if (hex[0] && hex_decode(&byte, 1, hex, true)) {
			name[n++] = (char)byte;
			p += 2;
		} else {
			name[n++] = *p;
		}
	}
	if (memchr(name, '\0', n) || !path_is_name(name) || name[0] == '.' || n > 150)
		return mem_strdup("download");
	return STEAL(name);
}
