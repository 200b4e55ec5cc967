#include "mirror_contract.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIXED_PREFIX "contract/"
#define BIG_SIZE (3 * MIB + 12345)
#define PIECES_SIZE (17 * MIB + 1)

/* -- content --------------------------------------------------------------------- */

/* Of the test that runs: no two tests store the same bytes, so that a kind that knows objects by
 * their content begins anew in each. 0: for reading. */
static uint64_t salt;

/* Byte i of every body: no period that a wrong offset could hide behind. */
static uint8_t byte_at(uint64_t i)
{
	uint64_t x = (i + 1 + (salt << 40)) * 0x9e3779b97f4a7c15u;
	return (uint8_t)(x >> 56);
}

static const struct object {
	const char *name;
	uint64_t size;
} objects[] = {
	{ "targets/models/phi/big.bin", BIG_SIZE },
	{ "targets/small.txt", 1000 },
	{ "targets/empty", 0 },
	{ "targets/a name, with + % # ? & \xc3\xbc.bin", 77 },
	{ "metadata/1.root.json", 300 },
};

static void fill(uint64_t offset, uint8_t *data, uint64_t len)
{
	for (uint64_t i = 0; i < len; i++)
		data[i] = byte_at(offset + i);
}

static void hash_range(uint64_t offset, uint64_t len, struct digest *out)
{
	CLEANUP_PTR(sha256_free) struct sha256 *h = sha256_new();
	uint8_t block[4096];
	for (uint64_t at = 0; at < len; at += sizeof block) {
		size_t n = (size_t)MIN(sizeof block, len - at);
		for (size_t i = 0; i < n; i++)
			block[i] = byte_at(offset + at + i);
		sha256_add(h, block, n);
	}
	sha256_final(h, out);
}

#define PIECES 3

/* What an upload of so many bytes announces. */
struct content {
	struct mirror_put how;
	struct digest pieces[PIECES];
};

static void content_of(struct content *c, uint64_t size)
{
	struct err e = ERR_INIT;
	*c = (struct content){ 0 };
	if (grid_for(size, &c->how.grid, &e) < 0 || c->how.grid.count > PIECES)
		abort();
	hash_range(0, size, &c->how.sha256);
	c->how.pieces = c->pieces;
	if (c->how.grid.count == 1)
		c->pieces[0] = c->how.sha256;
	for (uint32_t i = 0; c->how.grid.count > 1 && i < c->how.grid.count; i++)
		hash_range(grid_offset(&c->how.grid, i), grid_length(&c->how.grid, i),
			   &c->pieces[i]);
}

/* "w/<SHA-256>.<name>", as objects are named: kinds may continue only uploads of such names. */
static const char *named(const struct content *c, const char *name)
{
	static char out[2][DIGEST_HEX + 40];
	static unsigned turn;
	char hex[DIGEST_HEX];
	turn = !turn;
	snprintf(out[turn], sizeof out[turn], "w/%s.%s", digest_hex(hex, &c->how.sha256), name);
	return out[turn];
}

static int put_piece(struct mirror_upload *u, uint32_t piece, struct err *e)
{
	uint64_t len = grid_length(&u->how.grid, piece);
	CLEANUP(mem_free_ptr) uint8_t *data = mem_alloc(len + 1);
	fill(grid_offset(&u->how.grid, piece), data, len);
	return mirror_upload_put(u, piece, data, e);
}

/* Other readers may see the object only now. */
static int publish(struct mirror *m, struct err *e)
{
	static uint64_t version;
	CLEANUP(mirror_findings_release) struct mirror_findings found = { 0 };
	struct mirror_publication p = { .name = "contract", .version = ++version, .shown = true };
	return mirror_publish(m, &p, &found, e);
}

/* Opens, puts what is not there, commits, closes. */
static int put(struct mirror *m, const char *key, const struct mirror_put *how,
	       struct mirror_stat *out, struct err *e)
{
	CLEANUP_PTR(mirror_upload_close) struct mirror_upload *u = NULL;
	int rc = mirror_upload_open(m, key, how, &u, e);
	for (uint32_t i = 0; rc == 0 && i < how->grid.count; i++)
		if (!mirror_upload_has(u, i))
			rc = put_piece(u, i, e);
	if (rc == 0)
		rc = mirror_upload_commit(u, out, e);
	/* What is large takes git long. */
	return rc < 0 || how->grid.size > MIB ? rc : publish(m, e);
}

/* Compares what arrives with byte_at() from offset on. */
struct check {
	uint64_t offset, got;
	bool wrong;
	uint64_t stop_at; /* fails once so many bytes came; 0: never */
};

static int check_write(void *ctx, const void *data, size_t len, struct err *e)
{
	struct check *c = ctx;
	for (size_t i = 0; i < len; i++)
		if (((const uint8_t *)data)[i] != byte_at(c->offset + c->got + i))
			c->wrong = true;
	c->got += len;
	if (c->stop_at && c->got >= c->stop_at)
		return err_set(e, ERR_FAULT, "the sink has had enough");
	return 0;
}

/* -- helpers of the tests -------------------------------------------------------- */

#define FAIL(c, ...) (snprintf((c)->failure, sizeof(c)->failure, __VA_ARGS__), -1)
#define CHECK(c, condition) \
	do { \
		if (!(condition)) \
			return FAIL(c, "line %d: %s", __LINE__, #condition); \
	} while (0)
#define CHECK_OK(c, call) \
	do { \
		struct err e = ERR_INIT; \
		if ((call) < 0) \
			return FAIL(c, "line %d: %s: %s", __LINE__, err_class_name(e.class), \
				    e.text); \
	} while (0)
#define CHECK_ERR(c, class_, call) \
	do { \
		struct err e = ERR_INIT; \
		int rc = (call); \
		if (rc != -(int)(class_) || e.class != (class_) || !e.text[0]) \
			return FAIL(c, "line %d: wanted %s, got %d %s: %s", __LINE__, \
				    err_class_name(class_), rc, err_class_name(e.class), e.text); \
	} while (0)

static const char *key_of(const struct contract *c, const char *name)
{
	static _Thread_local char keys[4][512];
	static _Thread_local unsigned next;
	char *key = keys[next++ % 4];
	snprintf(key, sizeof keys[0], "%s%s", c->prefix, name);
	return key;
}

static int get(struct contract *c, const char *name, uint64_t offset, uint64_t len, struct check *k,
	       struct err *e)
{
	struct mirror_sink sink = { .write = check_write, .ctx = k };
	struct mirror_range r = { .key = key_of(c, name), .offset = offset, .length = len };
	k->offset = offset;
	return mirror_get(c->m, &r, &sink, e);
}

static int put_plain(struct contract *c, const char *name, uint64_t size, struct err *e)
{
	struct content content;
	content_of(&content, size);
	return put(c->m, key_of(c, name), &content.how, NULL, e);
}

/* -- reading --------------------------------------------------------------------- */

/* Is it an object that this kind does not hold? */
static bool is_refused(const struct contract *c, uint64_t size)
{
	return c->m->ops->no_empty && size == 0;
}

static int stat_tells_the_size(struct contract *c)
{
	for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
		if (is_refused(c, objects[i].size))
			continue;
		struct mirror_stat a, b;
		CHECK_OK(c, mirror_stat_key(c->m, key_of(c, objects[i].name), &a, &e));
		CHECK_OK(c, mirror_stat_key(c->m, key_of(c, objects[i].name), &b, &e));
		CHECK(c, a.size == objects[i].size);
		CHECK(c, strcmp(a.etag, b.etag) == 0);
		struct digest d;
		hash_range(0, objects[i].size, &d);
		CHECK(c, !a.has_sha256 || digest_equal(&a.sha256, &d));
	}
	CHECK_OK(c, mirror_stat_key(c->m, key_of(c, "targets/small.txt"), NULL, &e));
	return 0;
}

static int get_gives_the_whole(struct contract *c)
{
	for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
		if (is_refused(c, objects[i].size))
			continue;
		struct check k = { 0 };
		CHECK_OK(c, get(c, objects[i].name, 0, UINT64_MAX, &k, &e));
		CHECK(c, k.got == objects[i].size);
		CHECK(c, !k.wrong);
	}
	return 0;
}

static int get_gives_ranges(struct contract *c)
{
	static const struct {
		uint64_t offset, len, got;
	} ranges[] = {
		{ 0, 1, 1 },
		{ 0, 1000, 1000 },
		{ 1, 1, 1 },
		{ MIB - 1, 2, 2 },
		{ MIB, MIB, MIB },
		{ BIG_SIZE - 1, 1, 1 },
		{ BIG_SIZE - 10, UINT64_MAX, 10 },
		{ 0, BIG_SIZE, BIG_SIZE },
		{ BIG_SIZE, UINT64_MAX, 0 },
		{ 5, 0, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		struct check k = { 0 };
		CHECK_OK(c, get(c, objects[0].name, ranges[i].offset, ranges[i].len, &k, &e));
		CHECK(c, k.got == ranges[i].got);
		CHECK(c, !k.wrong);
	}
	return 0;
}

static int a_range_past_the_end_is_refused(struct contract *c)
{
	static const struct {
		uint64_t offset, len;
	} ranges[] = {
		{ 0, 1001 },          { 999, 2 },   { 1000, 1 },
		{ 1001, UINT64_MAX }, { 5000, 10 }, { UINT64_MAX - 5, 10 },
	};
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		struct check k = { 0 };
		CHECK_ERR(c, ERR_INTEGRITY,
			  get(c, "targets/small.txt", ranges[i].offset, ranges[i].len, &k, &e));
		CHECK(c, k.got == 0);
	}
	return 0;
}

static int what_is_missing_is_not_found(struct contract *c)
{
	struct check k = { 0 };
	struct err folder = ERR_INIT;
	CHECK_ERR(c, ERR_NOT_FOUND, mirror_stat_key(c->m, key_of(c, "targets/none"), NULL, &e));
	CHECK_ERR(c, ERR_NOT_FOUND, get(c, "targets/none", 0, UINT64_MAX, &k, &e));
	CHECK_ERR(c, ERR_NOT_FOUND, get(c, "none/none/none", 5, 10, &k, &e));
	CHECK_ERR(c, ERR_NOT_FOUND, get(c, "targets/small.txt/below", 0, UINT64_MAX, &k, &e));
	/* A folder is no object; a web server may rather forbid to look into it. */
	CHECK(c, mirror_stat_key(c->m, key_of(c, "targets/models"), NULL, &folder) < 0);
	CHECK(c, err_is(&folder, ERR_NOT_FOUND) || err_is(&folder, ERR_AUTH));
	CHECK(c, strstr(folder.text, c->m->id) && strstr(folder.text, "targets/models"));
	return 0;
}

static int what_is_no_key_is_refused(struct contract *c)
{
	static const char *const keys[] = { "",    "/etc/passwd", "../x", "a/../b", "a//b",
					    "./a", "a/",          "a\nb", "a\\b",   "\xff" };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct check k = { 0 };
		struct mirror_sink sink = { .write = check_write, .ctx = &k };
		CHECK_ERR(c, ERR_USAGE, mirror_stat_key(c->m, keys[i], NULL, &e));
		struct mirror_range r = { .key = keys[i], .length = UINT64_MAX };
		CHECK_ERR(c, ERR_USAGE, mirror_get(c->m, &r, &sink, &e));
	}
	return 0;
}

static int a_sink_can_stop_the_transfer(struct contract *c)
{
	struct check k = { .stop_at = 10 };
	struct err stopped = ERR_INIT;
	CHECK(c, get(c, objects[0].name, 0, UINT64_MAX, &k, &stopped) == -ERR_FAULT);
	CHECK(c, err_is(&stopped, ERR_FAULT) && strstr(stopped.text, "the sink has had enough"));
	CHECK(c, k.got < BIG_SIZE);
	k = (struct check){ 0 }; /* and the mirror is as good as before */
	CHECK_OK(c, get(c, objects[0].name, 100, 100, &k, &e));
	CHECK(c, k.got == 100 && !k.wrong);
	return 0;
}

static int a_small_get_keeps_its_ceiling(struct contract *c)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(1000);
	CLEANUP(buf_release) struct buf tight = BUF_INIT(999);
	CHECK_OK(c, mirror_get_small(c->m, key_of(c, "targets/small.txt"), 0, &b, &e));
	CHECK(c, b.len == 1000 && (uint8_t)b.data[999] == byte_at(999));
	CHECK_ERR(c, ERR_INTEGRITY,
		  mirror_get_small(c->m, key_of(c, "targets/small.txt"), 0, &tight, &e));
	return 0;
}

static int ignore_entry(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	(void)ctx, (void)entry, (void)e;
	return 0;
}

static int a_read_only_mirror_says_so(struct contract *c)
{
	CHECK_ERR(c, ERR_USAGE, put_plain(c, "targets/new", 10, &e));
	CHECK_ERR(c, ERR_USAGE, mirror_remove(c->m, key_of(c, "targets/small.txt"), &e));
	CHECK_ERR(c, ERR_USAGE,
		  mirror_copy(c->m, key_of(c, "targets/small.txt"), key_of(c, "targets/b"), &e));
	if (!mirror_can(c->m, MIRROR_CAN_LIST))
		CHECK_ERR(c, ERR_USAGE, mirror_list(c->m, "", ignore_entry, NULL, &e));
	return 0;
}

/* -- writing --------------------------------------------------------------------- */

static int put_stores_and_tells(struct contract *c)
{
	static const uint64_t sizes[] = { 0, 1, 4096, 100000 };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct content content;
		struct mirror_stat stored, after;
		struct check k = { 0 };
		content_of(&content, sizes[i]);
		if (is_refused(c, sizes[i])) {
			CHECK_ERR(c, ERR_USAGE,
				  put(c->m, key_of(c, "w/deep/er/a"), &content.how, &stored, &e));
			continue;
		}
		CHECK_OK(c, put(c->m, key_of(c, "w/deep/er/a"), &content.how, &stored, &e));
		CHECK_OK(c, mirror_stat_key(c->m, key_of(c, "w/deep/er/a"), &after, &e));
		CHECK(c, stored.size == sizes[i] && after.size == sizes[i]);
		CHECK(c, strcmp(stored.etag, after.etag) == 0);
		CHECK(c, !stored.has_sha256 || digest_equal(&stored.sha256, &content.how.sha256));
		CHECK_OK(c, get(c, "w/deep/er/a", 0, UINT64_MAX, &k, &e));
		CHECK(c, k.got == sizes[i] && !k.wrong);
	}
	CHECK_OK(c, mirror_put_small(c->m, key_of(c, "w/text"), "hello", 5, NULL, NULL, &e));
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	CHECK_OK(c, mirror_get_small(c->m, key_of(c, "w/text"), 0, &text, &e));
	CHECK(c, strcmp(buf_str(&text), "hello") == 0);
	return 0;
}

static int put_creates_only_if_absent(struct contract *c)
{
	struct mirror_put how = { .only_if_absent = true };
	if (!mirror_can(c->m, MIRROR_CAN_CREATE_ONLY)) {
		CHECK_ERR(c, ERR_USAGE,
			  mirror_put_small(c->m, key_of(c, "w/once"), "a", 1, &how, NULL, &e));
		return 0;
	}
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	CHECK_OK(c, mirror_put_small(c->m, key_of(c, "w/once"), "first", 5, &how, NULL, &e));
	CHECK_ERR(c, ERR_CONFLICT,
		  mirror_put_small(c->m, key_of(c, "w/once"), "second", 6, &how, NULL, &e));
	CHECK_OK(c, mirror_get_small(c->m, key_of(c, "w/once"), 0, &text, &e));
	CHECK(c, strcmp(buf_str(&text), "first") == 0);
	return 0;
}

static int put_replaces_only_what_it_knows(struct contract *c)
{
	if (!mirror_can(c->m, MIRROR_CAN_REPLACE_IF))
		return 0;
	struct mirror_stat st, newer;
	CHECK_OK(c, mirror_put_small(c->m, key_of(c, "w/cas"), "one", 3, NULL, NULL, &e));
	CHECK_OK(c, mirror_stat_key(c->m, key_of(c, "w/cas"), &st, &e));
	CHECK(c, st.etag[0] != '\0');
	struct mirror_put how = { .only_if_etag = st.etag };
	CHECK_OK(c, mirror_put_small(c->m, key_of(c, "w/cas"), "two", 3, &how, NULL, &e));
	CHECK_OK(c, mirror_stat_key(c->m, key_of(c, "w/cas"), &newer, &e));
	CHECK(c, strcmp(newer.etag, st.etag) != 0);
	CHECK_ERR(c, ERR_CONFLICT,
		  mirror_put_small(c->m, key_of(c, "w/cas"), "six", 3, &how, NULL, &e));
	CHECK_ERR(c, ERR_CONFLICT,
		  mirror_put_small(c->m, key_of(c, "w/cas-none"), "six", 3, &how, NULL, &e));
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	CHECK_OK(c, mirror_get_small(c->m, key_of(c, "w/cas"), 0, &text, &e));
	CHECK(c, strcmp(buf_str(&text), "two") == 0);
	return 0;
}

struct counter {
	struct report report;
	int64_t bytes;
};

static void count(struct report *r, const struct report_event *event)
{
	if (event->kind == REPORT_ADVANCE)
		((struct counter *)r)->bytes += event->bytes;
}

static int content_is_there(struct contract *c, const char *name, uint64_t size)
{
	struct check k = { 0 };
	CHECK_OK(c, get(c, name, 0, UINT64_MAX, &k, &e));
	CHECK(c, k.got == size && !k.wrong);
	return 0;
}

static int a_closed_upload_is_found_again(struct contract *c)
{
	struct content content;
	struct counter counter = { .report = { .emit = count } };
	struct mirror_upload *u;
	struct mirror_stat st;
	struct digest root;
	content_of(&content, PIECES_SIZE);
	content.how.report = &counter.report;
	content.how.task = "put";
	CHECK_OK(c, mirror_upload_open(c->m, key_of(c, named(&content, "pieces")), &content.how, &u,
				       &e));
	CHECK(c, u->missing == 3);
	CHECK_OK(c, put_piece(u, 0, &e));
	CHECK(c, mirror_upload_has(u, 0) && !mirror_upload_has(u, 1));
	CHECK(c, counter.bytes == (int64_t)(8 * MIB));
	mirror_upload_close(u);
	CHECK_ERR(c, ERR_NOT_FOUND,
		  mirror_stat_key(c->m, key_of(c, named(&content, "pieces")), NULL, &e));
	counter.bytes = 0;
	CHECK_OK(c, mirror_upload_open(c->m, key_of(c, named(&content, "pieces")), &content.how, &u,
				       &e));
	CHECK(c, u->missing == 2 + u->to_compare);
	CHECK_OK(c, put_piece(u, 0, &e));
	CHECK(c, u->missing == 2 && u->resumed == 8 * MIB);
	mirror_upload_close(u);
	counter.bytes = 0;
	CHECK_OK(c, put(c->m, key_of(c, named(&content, "pieces")), &content.how, &st, &e));
	CHECK(c, st.size == PIECES_SIZE);
	CHECK(c, counter.bytes == (int64_t)PIECES_SIZE);
	grid_root(content.pieces, 3, &root);
	CHECK(c, !st.has_pieces_sha256 || digest_equal(&st.pieces_sha256, &root));
	return content_is_there(c, named(&content, "pieces"), PIECES_SIZE);
}

static int an_abandoned_upload_leaves_nothing(struct contract *c)
{
	struct content content;
	struct mirror_upload *u;
	content_of(&content, PIECES_SIZE);
	CHECK_OK(c, mirror_upload_open(c->m, key_of(c, named(&content, "left")), &content.how, &u,
				       &e));
	CHECK_OK(c, put_piece(u, 0, &e));
	CHECK_OK(c, mirror_upload_abandon(u, &e));
	mirror_upload_close(u);
	CHECK_OK(c, mirror_upload_open(c->m, key_of(c, named(&content, "left")), &content.how, &u,
				       &e));
	CHECK(c, u->missing == 3);
	CHECK_OK(c, mirror_upload_abandon(u, &e));
	mirror_upload_close(u);
	CHECK_ERR(c, ERR_NOT_FOUND,
		  mirror_stat_key(c->m, key_of(c, named(&content, "left")), NULL, &e));
	return 0;
}

/* The ids of the uploads that were left for keys of this test, or for keys that are not known. */
struct lefts {
	const struct contract *c;
	struct str_list ids;
	bool wrong; /* a member that cannot be right */
};

static void lefts_release(struct lefts *l)
{
	str_list_release(&l->ids);
}

static int add_left(void *ctx, const struct mirror_leftover *left, struct err *e)
{
	struct lefts *l = ctx;
	bool ours = !left->key[0] || str_starts(left->key, l->c->prefix);
	(void)e;
	l->wrong = l->wrong || !left->id[0] || left->started_s <= 0;
	if (ours && left->kind == MIRROR_LEFT_UPLOAD)
		str_list_add(&l->ids, left->id);
	return 0;
}

/* Removes the uploads that are in `now`, but not in `before`. */
static int remove_new(struct contract *c, const struct lefts *before, const struct lefts *now)
{
	for (size_t i = 0; i < now->ids.count; i++) {
		const struct mirror_leftover left = {
			.key = key_of(c, "w/leftover"),
			.id = now->ids.at[i],
		};
		if (str_list_has(&before->ids, left.id))
			continue;
		CHECK_OK(c, mirror_leftover_remove(c->m, &left, &e));
		CHECK_OK(c, mirror_leftover_remove(c->m, &left, &e)); /* it is not there */
	}
	return 0;
}

static int count_left(struct contract *c, size_t *out)
{
	CLEANUP(lefts_release) struct lefts l = { .c = c };
	CHECK_OK(c, mirror_leftovers(c->m, add_left, &l, &e));
	*out = l.ids.count;
	return 0;
}

static int a_leftover_is_listed_and_removed(struct contract *c)
{
	CLEANUP(lefts_release) struct lefts before = { .c = c }, now = { .c = c };
	struct content content;
	struct mirror_upload *u;
	size_t count;
	if (!c->m->ops->leftovers)
		return 0;
	content_of(&content, PIECES_SIZE);
	CHECK_OK(c, mirror_leftovers(c->m, add_left, &before, &e));
	CHECK_OK(c, mirror_upload_open(c->m, key_of(c, named(&content, "leftover")), &content.how,
				       &u, &e));
	CHECK_OK(c, put_piece(u, 0, &e));
	mirror_upload_close(u);
	CHECK_OK(c, mirror_leftovers(c->m, add_left, &now, &e));
	CHECK(c, now.ids.count == before.ids.count + 1 && !now.wrong);
	if (remove_new(c, &before, &now) < 0 || count_left(c, &count) < 0)
		return -1;
	CHECK(c, count == before.ids.count);
	CHECK_OK(c, mirror_upload_open(c->m, key_of(c, named(&content, "leftover")), &content.how,
				       &u, &e));
	CHECK(c, u->missing == PIECES);
	CHECK_OK(c, mirror_upload_abandon(u, &e));
	mirror_upload_close(u);
	return count_left(c, &count) < 0 || count != before.ids.count
		       ? FAIL(c, "an abandoned upload is a leftover")
		       : 0;
}

static int a_committed_upload_is_no_leftover(struct contract *c)
{
	size_t before, after;
	struct content content;
	content_of(&content, PIECES_SIZE);
	if (count_left(c, &before) < 0)
		return -1;
	CHECK_OK(c, put(c->m, key_of(c, named(&content, "done")), &content.how, NULL, &e));
	if (count_left(c, &after) < 0)
		return -1;
	CHECK(c, after == before);
	return 0;
}

static int an_upload_with_gaps_is_not_committed(struct contract *c)
{
	struct content content;
	struct mirror_upload *u;
	content_of(&content, PIECES_SIZE);
	CHECK_OK(c, mirror_upload_open(c->m, key_of(c, named(&content, "gaps")), &content.how, &u,
				       &e));
	CHECK_OK(c, put_piece(u, 0, &e));
	CHECK_ERR(c, ERR_BUG, mirror_upload_commit(u, NULL, &e));
	CHECK_ERR(c, ERR_BUG, mirror_upload_put(u, 3, "", &e));
	CHECK_OK(c, mirror_upload_abandon(u, &e));
	mirror_upload_close(u);
	CHECK_ERR(c, ERR_NOT_FOUND,
		  mirror_stat_key(c->m, key_of(c, named(&content, "gaps")), NULL, &e));
	return 0;
}

static int pieces_come_in_any_order(struct contract *c)
{
	static const uint32_t order[] = { 2, 0, 2, 1 };
	struct content content;
	struct mirror_upload *u;
	content_of(&content, PIECES_SIZE);
	CHECK_OK(c, mirror_upload_open(c->m, key_of(c, named(&content, "order")), &content.how, &u,
				       &e));
	if (mirror_can(c->m, MIRROR_IN_ORDER)) {
		CHECK_ERR(c, ERR_BUG, put_piece(u, 2, &e));
		mirror_upload_close(u);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		CHECK_OK(c, put_piece(u, order[i], &e));
	CHECK_OK(c, mirror_upload_commit(u, NULL, &e));
	mirror_upload_close(u);
	return content_is_there(c, named(&content, "order"), PIECES_SIZE);
}

/* Each thread puts one piece of each upload. */
struct helper {
	struct mirror_upload *u;
	uint32_t piece;
	struct err e;
};

static void *help(void *arg)
{
	struct helper *h = arg;
	(void)!put_piece(h->u, h->piece, &h->e);
	return NULL;
}

static int pieces_come_from_several_threads(struct contract *c)
{
	struct content content;
	struct mirror_upload *u;
	struct helper helpers[PIECES];
	pthread_t threads[PIECES];
	if (mirror_can(c->m, MIRROR_IN_ORDER))
		return 0;
	content_of(&content, PIECES_SIZE);
	CHECK_OK(c, mirror_upload_open(c->m, key_of(c, named(&content, "threads")), &content.how,
				       &u, &e));
	for (uint32_t i = 0; i < PIECES; i++) {
		helpers[i] = (struct helper){ .u = u, .piece = i };
		CHECK(c, pthread_create(&threads[i], NULL, help, &helpers[i]) == 0);
	}
	for (uint32_t i = 0; i < PIECES; i++)
		pthread_join(threads[i], NULL);
	for (uint32_t i = 0; i < PIECES; i++)
		CHECK(c, helpers[i].e.class == ERR_NONE);
	CHECK_OK(c, mirror_upload_commit(u, NULL, &e));
	mirror_upload_close(u);
	return content_is_there(c, named(&content, "threads"), PIECES_SIZE);
}

static int two_uploads_for_one_key_do_not_mix(struct contract *c)
{
	struct content big, small;
	struct mirror_upload *a, *b;
	content_of(&big, PIECES_SIZE);
	content_of(&small, 9 * MIB);
	CHECK_OK(c, mirror_upload_open(c->m, key_of(c, "w/two"), &big.how, &a, &e));
	CHECK_OK(c, mirror_upload_open(c->m, key_of(c, "w/two"), &small.how, &b, &e));
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_OK(c, put_piece(a, i, &e));
		if (i < 2)
			CHECK_OK(c, put_piece(b, i, &e));
	}
	CHECK_OK(c, mirror_upload_commit(a, NULL, &e));
	if (content_is_there(c, "w/two", PIECES_SIZE) < 0)
		return -1;
	CHECK_OK(c, mirror_upload_commit(b, NULL, &e));
	mirror_upload_close(a);
	mirror_upload_close(b);
	return content_is_there(c, "w/two", 9 * MIB);
}

/* Two publishers with the same file: the second is refused, or both bring it over. */
static int two_uploads_of_one_content_at_once(struct contract *c)
{
	struct content content;
	struct mirror_upload *a, *b = NULL;
	struct err refused = ERR_INIT;
	content_of(&content, PIECES_SIZE);
	CHECK_OK(c, mirror_upload_open(c->m, key_of(c, named(&content, "same")), &content.how, &a,
				       &e));
	int rc = mirror_upload_open(c->m, key_of(c, named(&content, "same")), &content.how, &b,
				    &refused);
	CHECK(c, rc == 0 || err_is(&refused, ERR_CONFLICT));
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_OK(c, put_piece(a, i, &e));
		if (b)
			CHECK_OK(c, put_piece(b, i, &e));
	}
	CHECK_OK(c, mirror_upload_commit(a, NULL, &e));
	if (b)
		CHECK_OK(c, mirror_upload_commit(b, NULL, &e));
	mirror_upload_close(a);
	mirror_upload_close(b);
	return content_is_there(c, named(&content, "same"), PIECES_SIZE);
}

static int a_condition_holds_when_it_is_committed(struct contract *c)
{
	struct content content;
	struct mirror_upload *u;
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	if (!mirror_can(c->m, MIRROR_CAN_CREATE_ONLY))
		return 0;
	content_of(&content, 5000);
	content.how.only_if_absent = true;
	CHECK_OK(c, mirror_upload_open(c->m, key_of(c, "w/late"), &content.how, &u, &e));
	CHECK_OK(c, put_piece(u, 0, &e));
	CHECK_OK(c, mirror_put_small(c->m, key_of(c, "w/late"), "other", 5, NULL, NULL, &e));
	CHECK_ERR(c, ERR_CONFLICT, mirror_upload_commit(u, NULL, &e));
	mirror_upload_close(u);
	CHECK_OK(c, mirror_get_small(c->m, key_of(c, "w/late"), 0, &text, &e));
	CHECK(c, strcmp(buf_str(&text), "other") == 0);
	return 0;
}

static int copy_makes_a_second_object(struct contract *c)
{
	if (!mirror_can(c->m, MIRROR_CAN_COPY))
		return 0;
	struct check k = { 0 }, again = { 0 };
	CHECK_OK(c, put_plain(c, "w/from", 3000, &e));
	CHECK_OK(c, mirror_copy(c->m, key_of(c, "w/from"), key_of(c, "w/x/to"), &e));
	CHECK_OK(c, mirror_remove(c->m, key_of(c, "w/from"), &e));
	CHECK_OK(c, get(c, "w/x/to", 0, UINT64_MAX, &k, &e));
	CHECK(c, k.got == 3000 && !k.wrong);
	CHECK_OK(c, put_plain(c, "w/from", 10, &e));
	CHECK_OK(c, mirror_copy(c->m, key_of(c, "w/from"), key_of(c, "w/x/to"), &e));
	CHECK_OK(c, get(c, "w/x/to", 0, UINT64_MAX, &again, &e));
	CHECK(c, again.got == 10);
	CHECK_ERR(c, ERR_NOT_FOUND,
		  mirror_copy(c->m, key_of(c, "w/none"), key_of(c, "w/x/to"), &e));
	return 0;
}

/* Copies a piece of an object of c->m; the caller has the same bytes, or has not. */
static int copy_piece(struct contract *c, struct mirror_upload *u, uint32_t piece, const char *from,
		      uint64_t offset, bool with_data, struct err *e)
{
	uint64_t len = grid_length(&u->how.grid, piece);
	CLEANUP(mem_free_ptr) uint8_t *data = mem_alloc(len + 1);
	fill(grid_offset(&u->how.grid, piece), data, len);
	struct mirror_source source = {
		.mirror = c->m,
		.key = key_of(c, from),
		.offset = offset,
		.data = with_data ? data : NULL,
	};
	return mirror_upload_copy(u, piece, &source, e);
}

/* An object whose bytes from `shift` on are those of w/pieces. */
static int put_shifted(struct contract *c, const char *name, uint64_t shift, struct err *e)
{
	size_t len = (size_t)(shift + PIECES_SIZE);
	CLEANUP(mem_free_ptr) uint8_t *data = mem_alloc(len);
	fill(0, data + shift, PIECES_SIZE);
	return mirror_put_small(c->m, key_of(c, name), data, len, NULL, NULL, e);
}

static int a_copied_piece_is_right(struct contract *c)
{
	struct err refused = ERR_INIT;
	struct content content;
	struct counter counter = { .report = { .emit = count } };
	struct mirror_upload *u;
	if (!mirror_copies_from(c->m, c->m))
		return 0;
	content_of(&content, PIECES_SIZE);
	content.how.report = &counter.report;
	content.how.task = "put";
	CHECK_OK(c, put_shifted(c, "w/old", 777, &e));
	CHECK_OK(c,
		 mirror_upload_open(c->m, key_of(c, named(&content, "new")), &content.how, &u, &e));
	CHECK_OK(c, copy_piece(c, u, 1, "w/old", 777 + 8 * MIB, true, &e));
	CHECK(c, mirror_upload_has(u, 1) && counter.bytes == (int64_t)(8 * MIB));
	int rc = copy_piece(c, u, 0, "w/old", 777, false, &refused);
	CHECK(c, rc == 0 || err_is(&refused, ERR_USAGE));
	if (rc < 0)
		CHECK_OK(c, put_piece(u, 0, &e));
	CHECK_OK(c, put_piece(u, 2, &e));
	CHECK_OK(c, mirror_upload_commit(u, NULL, &e));
	mirror_upload_close(u);
	CHECK(c, counter.bytes == (int64_t)PIECES_SIZE);
	return content_is_there(c, named(&content, "new"), PIECES_SIZE);
}

static int a_wrong_copy_is_refused(struct contract *c)
{
	struct err blind = ERR_INIT, beyond = ERR_INIT;
	struct content content;
	struct mirror_upload *u;
	if (!mirror_copies_from(c->m, c->m))
		return 0;
	content_of(&content, PIECES_SIZE);
	CHECK_OK(c, put_shifted(c, "w/old", 777, &e));
	CHECK_OK(c,
		 mirror_upload_open(c->m, key_of(c, named(&content, "new")), &content.how, &u, &e));
	CHECK_ERR(c, ERR_INTEGRITY, copy_piece(c, u, 0, "w/old", 776, true, &e));
	CHECK(c, copy_piece(c, u, 0, "w/old", 10 * MIB, true, &beyond) < 0);
	CHECK(c, err_is(&beyond, ERR_INTEGRITY) || err_is(&beyond, ERR_USAGE));
	CHECK(c, copy_piece(c, u, 0, "w/old", 776, false, &blind) < 0);
	CHECK(c, err_is(&blind, ERR_INTEGRITY) || err_is(&blind, ERR_USAGE));
	CHECK(c, !mirror_upload_has(u, 0) && u->missing == 3);
	for (uint32_t i = 0; i < 3; i++)
		CHECK_OK(c, put_piece(u, i, &e));
	CHECK_OK(c, mirror_upload_commit(u, NULL, &e));
	mirror_upload_close(u);
	return content_is_there(c, named(&content, "new"), PIECES_SIZE);
}

static int a_copy_of_what_is_missing_can_be_put_instead(struct contract *c)
{
	struct content content;
	struct mirror_upload *u;
	if (!mirror_copies_from(c->m, c->m))
		return 0;
	content_of(&content, PIECES_SIZE);
	CHECK_OK(c,
		 mirror_upload_open(c->m, key_of(c, named(&content, "new")), &content.how, &u, &e));
	CHECK_ERR(c, ERR_NOT_FOUND, copy_piece(c, u, 0, "w/none", 0, true, &e));
	CHECK_ERR(c, ERR_NOT_FOUND, copy_piece(c, u, 0, "w/none", 0, false, &e));
	CHECK_ERR(c, ERR_USAGE, copy_piece(c, u, 0, "../none", 0, true, &e));
	for (uint32_t i = 0; i < 3; i++)
		CHECK_OK(c, put_piece(u, i, &e));
	CHECK_OK(c, mirror_upload_commit(u, NULL, &e));
	mirror_upload_close(u);
	return content_is_there(c, named(&content, "new"), PIECES_SIZE);
}

static int list_one(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	struct buf *b = ctx;
	const char *name = strstr(entry->key, "/l/");
	if (name && strcmp(name, "/l/stop") == 0)
		return err_set(e, ERR_FAULT, "seen enough");
	buf_addf(b, "%s=%llu ", name ? name + 3 : entry->key, (unsigned long long)entry->stat.size);
	return 0;
}

static int list_is_sorted_and_whole(struct contract *c)
{
	static const char *const names[] = { "l/b", "l/a/z", "l/a.b", "l/a-b", "l/a/b/c", "m/a" };
	CLEANUP(buf_release) struct buf all = BUF_INIT(4096);
	CLEANUP(buf_release) struct buf some = BUF_INIT(4096);
	if (!mirror_can(c->m, MIRROR_CAN_LIST))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		CHECK_OK(c, put_plain(c, names[i], i + 1, &e));
	CHECK_OK(c, mirror_list(c->m, key_of(c, "l/"), list_one, &all, &e));
	CHECK(c, strcmp(buf_str(&all), "a-b=4 a.b=3 a/b/c=5 a/z=2 b=1 ") == 0);
	CHECK_OK(c, mirror_list(c->m, key_of(c, "l/a/"), list_one, &some, &e));
	CHECK_OK(c, mirror_list(c->m, key_of(c, "l/a."), list_one, &some, &e));
	CHECK_OK(c, mirror_list(c->m, key_of(c, "none/"), list_one, &some, &e));
	CHECK(c, strcmp(buf_str(&some), "a/b/c=5 a/z=2 a.b=3 ") == 0);
	CHECK_OK(c, put_plain(c, "l/stop", 1, &e));
	CHECK_ERR(c, ERR_FAULT, mirror_list(c->m, key_of(c, "l/"), list_one, &some, &e));
	return 0;
}

static int remove_removes(struct contract *c)
{
	CHECK_OK(c, put_plain(c, "r/a/b/c", 5, &e));
	CHECK_OK(c, put_plain(c, "r/a/d", 5, &e));
	CHECK_OK(c, mirror_remove(c->m, key_of(c, "r/a/b/c"), &e));
	CHECK_ERR(c, ERR_NOT_FOUND, mirror_stat_key(c->m, key_of(c, "r/a/b/c"), NULL, &e));
	CHECK_OK(c, mirror_stat_key(c->m, key_of(c, "r/a/d"), NULL, &e));
	CHECK_OK(c, mirror_remove(c->m, key_of(c, "r/a/b/c"), &e));
	CHECK_OK(c, mirror_remove(c->m, key_of(c, "r/none/none"), &e));
	CHECK_OK(c, put_plain(c, "r/a/b/c", 6, &e));
	CHECK_OK(c, mirror_stat_key(c->m, key_of(c, "r/a/b/c"), NULL, &e));
	return 0;
}

/* -- the list -------------------------------------------------------------------- */

#define TEST(needs_, fn) \
	{ \
		.name = #fn, .needs = (needs_), .run = (fn) \
	}
const struct contract_test contract_tests[] = {
	TEST(CONTRACT_READ, stat_tells_the_size),
	TEST(CONTRACT_READ, get_gives_the_whole),
	TEST(CONTRACT_READ, get_gives_ranges),
	TEST(CONTRACT_READ, a_range_past_the_end_is_refused),
	TEST(CONTRACT_READ, what_is_missing_is_not_found),
	TEST(CONTRACT_READ, what_is_no_key_is_refused),
	TEST(CONTRACT_READ, a_sink_can_stop_the_transfer),
	TEST(CONTRACT_READ, a_small_get_keeps_its_ceiling),
	TEST(CONTRACT_READ_ONLY, a_read_only_mirror_says_so),
	TEST(CONTRACT_WRITE, put_stores_and_tells),
	TEST(CONTRACT_WRITE, put_creates_only_if_absent),
	TEST(CONTRACT_WRITE, put_replaces_only_what_it_knows),
	TEST(CONTRACT_WRITE, a_closed_upload_is_found_again),
	TEST(CONTRACT_WRITE, an_abandoned_upload_leaves_nothing),
	TEST(CONTRACT_WRITE, a_leftover_is_listed_and_removed),
	TEST(CONTRACT_WRITE, a_committed_upload_is_no_leftover),
	TEST(CONTRACT_WRITE, an_upload_with_gaps_is_not_committed),
	TEST(CONTRACT_WRITE, pieces_come_in_any_order),
	TEST(CONTRACT_WRITE, pieces_come_from_several_threads),
	TEST(CONTRACT_WRITE, two_uploads_for_one_key_do_not_mix),
	TEST(CONTRACT_WRITE, two_uploads_of_one_content_at_once),
	TEST(CONTRACT_WRITE, a_condition_holds_when_it_is_committed),
	TEST(CONTRACT_WRITE, copy_makes_a_second_object),
	TEST(CONTRACT_WRITE, a_copied_piece_is_right),
	TEST(CONTRACT_WRITE, a_wrong_copy_is_refused),
	TEST(CONTRACT_WRITE, a_copy_of_what_is_missing_can_be_put_instead),
	TEST(CONTRACT_WRITE, list_is_sorted_and_whole),
	TEST(CONTRACT_WRITE, remove_removes),
};
const size_t contract_test_count = ARRAY_LEN(contract_tests);

bool contract_applies(const struct contract *c, const struct contract_test *test)
{
	return test->needs == CONTRACT_READ || (test->needs == CONTRACT_WRITE) == c->writable;
}

int contract_run(struct contract *c, const struct contract_test *test)
{
	salt = test->needs == CONTRACT_READ ? 0 : (uint64_t)(test - contract_tests) + 1;
	int rc = test->run(c);
	salt = 0;
	return rc;
}

static int write_object(const char *dir, const struct object *o, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/" FIXED_PREFIX "%s", dir, o->name);
	CLEANUP(mem_free_ptr) uint8_t *data = mem_alloc(o->size + 1);
	fill(0, data, o->size);
	int rc = file_mkdirs_for(path, 0755, e);
	return rc < 0 ? rc : file_write_atomic(path, data, o->size, 0644, e);
}

int contract_tree(const char *dir, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(objects) && rc == 0; i++)
		rc = write_object(dir, &objects[i], e);
	return rc;
}

/* A kind that can be probed knows only then what it can do. */
static int probe(struct mirror *m, struct err *e)
{
	CLEANUP(mirror_findings_release) struct mirror_findings found = { 0 };
	int rc = m->ops->probe ? mirror_probe(m, &found, e) : 0;
	for (size_t i = 0; rc == 0 && i < found.count; i++)
		if (found.at[i].class)
			rc = err_set(e, found.at[i].class, "%s", found.at[i].text);
	return rc;
}

int contract_begin(struct contract *c, struct mirror *m, struct err *e)
{
	*c = (struct contract){ .m = m, .prefix = FIXED_PREFIX };
	c->writable = mirror_can(m, MIRROR_CAN_WRITE);
	if (!c->writable)
		return 0;
	snprintf(c->prefix, sizeof c->prefix, "contract-%ld/", (long)getpid());
	int rc = probe(m, e);
	for (size_t i = 0; i < ARRAY_LEN(objects) && rc == 0; i++)
		if (!is_refused(c, objects[i].size))
			rc = put_plain(c, objects[i].name, objects[i].size, e);
	return rc;
}

static int add_key(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	(void)e;
	str_list_add(ctx, entry->key);
	return 0;
}

int contract_end(struct contract *c, struct err *e)
{
	CLEANUP(str_list_release) struct str_list keys = { 0 };
	if (!c->writable)
		return 0;
	int rc = mirror_list(c->m, c->prefix, add_key, &keys, e);
	for (size_t i = 0; i < keys.count && rc == 0; i++)
		rc = mirror_remove(c->m, keys.at[i], e);
	return rc;
}
